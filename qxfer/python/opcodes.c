/* SPDX-License-Identifier: MIT */
#include "qxfer/python/opcodes.h"

#include <stdlib.h>
#include <string.h>

#define SCAN_BYTES (64u << 10)
#define SCAN_MAX   (256u << 20) /* of one image */
#define TABLE_SIZE ((size_t)256 * 8)

const struct py_opcodes *py_opcodes_find(uint32_t version_hex)
{
	for (size_t i = 0; i < py_opcodes_rows; i++)
		if (py_opcodes_table[i].minor == version_hex >> 16)
			return &py_opcodes_table[i];
	return NULL;
}

bool py_opcode_is_resume(const struct py_opcodes *o, uint8_t op)
{
	return op && (op == o->resume || op == o->resume_check || op == o->resume_quick ||
		      op == o->instrumented_resume);
}

/* ---- the table of handlers ---- */

struct scan {
	const struct space *space;
	const struct py_opcodes *opcodes;
	const struct map *image;     /* a mapping of the image that is looked through */
	uint8_t first, second, last; /* three undefined opcodes, to see soon that it is no table */
	struct py_handlers *best;
	unsigned int distinct; /* handlers of the best one; 0: none was found */
	bool ambiguous;
	size_t scanned;
};

static bool is_code(const struct scan *c, uint64_t addr)
{
	const struct map *m = maps_find(c->space->maps, addr);
	return m && (m->prot & MAP_X) && m->inode == c->image->inode && m->dev == c->image->dev;
}

/* Of a table the number of different handlers; 0: it is none. */
static unsigned int judge(const struct scan *c, const uint64_t *v)
{
	const uint8_t *undefined = c->opcodes->undefined;
	uint64_t unknown = v[c->first];
	unsigned int distinct = 0;

	for (unsigned int i = 0; i < 256; i++)
		if ((v[i] == unknown) != (undefined[i] != 0) || !is_code(c, v[i]))
			return 0;
	for (unsigned int i = 0; i < 256; i++) {
		unsigned int k = 0;
		while (v[k] != v[i])
			k++;
		distinct += k == i;
	}
	return distinct;
}

static void look_at(struct scan *c, uint64_t addr, const uint64_t *v)
{
	if (!v[c->first] || v[c->first] != v[c->second] || v[c->first] != v[c->last])
		return;
	unsigned int distinct = judge(c, v);
	if (!distinct || distinct < c->distinct)
		return;
	c->ambiguous = distinct == c->distinct;
	c->distinct = distinct;
	c->best->table = addr;
	c->best->unknown = v[c->first];
	memcpy(c->best->target, v, TABLE_SIZE);
}

static void scan_map(struct scan *c, const struct map *m, uint64_t *words)
{
	uint64_t at = (m->start + 7) & ~7ull;

	while (at < m->end && c->scanned < SCAN_MAX) {
		size_t want = m->end - at < SCAN_BYTES ? (size_t)(m->end - at) : SCAN_BYTES;
		size_t got = mem_read_some(c->space->mem, at, words, want) / 8;
		for (size_t i = 0; i + 256 <= got; i++)
			look_at(c, at + 8ull * i, &words[i]);
		c->scanned += got * 8;
		if (got * 8 < want || got <= 256)
			return;
		at += 8ull * (got - 255); /* a table may lie across the edge */
	}
}

static void choose_probes(struct scan *c)
{
	const uint8_t *undefined = c->opcodes->undefined;
	unsigned int n = 0;

	for (unsigned int i = 0; i < 256; i++) {
		if (!undefined[i])
			continue;
		if (n == 0)
			c->first = (uint8_t)i;
		if (n == 1)
			c->second = (uint8_t)i;
		c->last = (uint8_t)i;
		n++;
	}
}

struct err *py_handlers_find(const struct space *s, const struct py_opcodes *o, uint64_t inside,
			     struct py_handlers *ret)
{
	struct scan c = { .space = s, .opcodes = o, .best = ret };

	c.image = maps_find(s->maps, inside);
	if (!c.image || !c.image->inode)
		return err_new(ERR_NOT_FOUND, "the interpreter's image is not mapped from a file");
	choose_probes(&c);
	uint64_t *words = malloc(SCAN_BYTES);
	if (!words)
		return &err_nomem;
	for (size_t i = 0; i < s->maps->n; i++) {
		const struct map *m = &s->maps->map[i];
		if (m->inode == c.image->inode && m->dev == c.image->dev && (m->prot & MAP_R) &&
		    !(m->prot & MAP_X))
			scan_map(&c, m, words);
	}
	free(words);
	if (!c.distinct)
		return err_new(ERR_NOT_FOUND, "no table of opcode handlers found: it was built "
					      "without computed gotos, or is not what it says");
	if (c.ambiguous)
		return err_new(ERR_NOT_FOUND, "several tables of opcode handlers found");
	return NULL;
}

/* ---- instructions ---- */

static void mark_starts(struct py_instrs *c, const struct py_originals *of)
{
	const struct py_opcodes *o = c->opcodes;

	for (uint32_t at = 0; at + 2 <= c->len;) {
		uint8_t op = c->bytes[at];
		if (op && of && (op == o->instrumented_line || op == o->instrumented_instruction))
			op = of->get(of->arg, at);
		c->starts[at / 2] = 1;
		at += py_opcode_size(o, op);
	}
}

struct err *py_instrs_read(struct mem *m, const struct py_opcodes *o, uint64_t at, uint32_t len,
			   const struct py_originals *of, struct py_instrs *ret)
{
	*ret = (struct py_instrs){ .opcodes = o, .at = at, .len = len & ~1u };
	if (len > PY_CODE_BYTES_MAX)
		return err_new(ERR_BAD_DATA, "%u bytes of instructions", len);
	ret->bytes = malloc(len + 2u);
	ret->starts = calloc(1, len / 2 + 1u);
	struct err *err = &err_nomem;
	if (ret->bytes && ret->starts)
		err = mem_read(m, at, ret->bytes, ret->len);
	if (err)
		py_instrs_deinit(ret);
	else
		mark_starts(ret, of);
	return err;
}

void py_instrs_deinit(struct py_instrs *c)
{
	free(c->bytes);
	free(c->starts);
	c->bytes = c->starts = NULL;
	c->len = 0;
}

bool py_instrs_begins(const struct py_instrs *c, uint32_t offset)
{
	if (offset % 2 || offset >= c->len || !c->starts[offset / 2])
		return false;
	uint32_t before = py_instrs_before(c, offset);
	return before == c->len || c->bytes[before] != c->opcodes->extended_arg;
}

uint32_t py_instrs_next(const struct py_instrs *c, uint32_t offset)
{
	for (offset += 2; offset < c->len; offset += 2)
		if (c->starts[offset / 2])
			return offset;
	return c->len;
}

uint32_t py_instrs_before(const struct py_instrs *c, uint32_t offset)
{
	while (offset >= 2 && offset <= c->len) {
		offset -= 2;
		if (c->starts[offset / 2])
			return offset;
	}
	return c->len;
}
