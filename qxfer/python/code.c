/* SPDX-License-Identifier: MIT */
#include "qxfer/python/code.h"

#include <stdlib.h>
#include <string.h>

#include "qxfer/python/text.h"

#define SLOTS_MIN 256u

/* ---- line tables ---- */

struct cursor {
	const uint8_t *p, *end;
};

static unsigned int next_byte(struct cursor *c)
{
	return c->p < c->end ? *c->p++ : 0;
}

/* Six bits a byte, the lowest first; bit 6 says that more follow. */
static uint32_t next_varint(struct cursor *c)
{
	uint32_t v = 0;
	for (unsigned int shift = 0; c->p < c->end; shift += 6) {
		unsigned int b = *c->p++;
		if (shift < 32)
			v |= (uint32_t)(b & 63) << shift;
		if (!(b & 64))
			break;
	}
	return v;
}

static int64_t next_svarint(struct cursor *c)
{
	uint32_t v = next_varint(c);
	return v & 1 ? -(int64_t)(v >> 1) : (int64_t)(v >> 1);
}

/* One entry's place; line is relative to the entry before. */
struct entry {
	int64_t line_delta;
	bool has_line;
	uint32_t end_delta;
	int64_t column, end_column; /* -1: none */
};

enum { LOC_ONE_LINE0 = 10, LOC_ONE_LINE2 = 12, LOC_NO_COLUMNS = 13, LOC_LONG = 14, LOC_NONE = 15 };

static struct entry next_entry(struct cursor *c, unsigned int code)
{
	struct entry e = { .has_line = true, .column = -1, .end_column = -1 };
	if (code == LOC_NONE) {
		e.has_line = false;
	} else if (code == LOC_LONG) {
		e.line_delta = next_svarint(c);
		e.end_delta = next_varint(c);
		e.column = (int64_t)next_varint(c) - 1;
		e.end_column = (int64_t)next_varint(c) - 1;
	} else if (code == LOC_NO_COLUMNS) {
		e.line_delta = next_svarint(c);
	} else if (code >= LOC_ONE_LINE0 && code <= LOC_ONE_LINE2) {
		e.line_delta = code - LOC_ONE_LINE0;
		e.column = next_byte(c);
		e.end_column = next_byte(c);
	} else {
		unsigned int b = next_byte(c);
		e.column = code << 3 | b >> 4;
		e.end_column = e.column + (b & 15);
	}
	return e;
}

static int32_t clip(int64_t v)
{
	return v < -1 || v > INT32_MAX ? -1 : (int32_t)v;
}

/* A place of which only the line is known. */
static bool put_line(int64_t line, struct py_position *ret)
{
	*ret = (struct py_position){ clip(line), -1, -1, -1 };
	return ret->line >= 0;
}

/*
 * Pairs of an unsigned step in bytes and a signed one in lines; of a step that does
 * not fit several.  CPython 3.9 Objects/lnotab_notes.txt.
 */
static bool find_lnotab(struct cursor c, int32_t first_line, int32_t lasti, struct py_position *ret)
{
	int64_t line = first_line, at = 0;
	while (c.end - c.p >= 2) {
		at += c.p[0];
		if (at > lasti)
			break;
		line += (int8_t)c.p[1];
		c.p += 2;
	}
	return put_line(line, ret);
}

/* What stands for a step in lines where there is no line at all. */
#define NO_LINE (-128)

/*
 * Pairs of a length in bytes and the step from the line of the pair before.
 * CPython 3.10 Objects/lnotab_notes.txt.
 */
static bool find_range(struct cursor c, int32_t first_line, int32_t lasti, struct py_position *ret)
{
	int64_t line = first_line, at = 0;
	for (; c.end - c.p >= 2; c.p += 2) {
		int64_t step = c.p[1] < 0x80 ? c.p[1] : c.p[1] - 0x100;
		at += c.p[0];
		if (step != NO_LINE)
			line += step;
		if (lasti < at)
			return step != NO_LINE && put_line(line, ret);
	}
	return false;
}

/*
 * Entries of 1cccclll (a code, and the length in code units less one) and what
 * the code calls for.  CPython 3.11 Objects/locations.md.
 */
static bool find_location(struct cursor c, int32_t first_line, int32_t lasti,
			  struct py_position *ret)
{
	int64_t line = first_line, at = 0;

	while (c.p < c.end) {
		unsigned int head = *c.p++;
		int64_t units = (head & 7) + 1;
		struct entry e = next_entry(&c, head >> 3 & 15);
		line += e.line_delta;
		at += units * 2;
		if (lasti < at) {
			if (!e.has_line || lasti < 0)
				return false;
			ret->line = clip(line);
			ret->end_line = clip(line + e.end_delta);
			ret->column = clip(e.column);
			ret->end_column = clip(e.end_column);
			return ret->line >= 0;
		}
	}
	return false;
}

bool py_lines_find(enum py_lines kind, const uint8_t *table, size_t len, int32_t first_line,
		   int32_t lasti, struct py_position *ret)
{
	static bool (*const finders[])(struct cursor c, int32_t first_line, int32_t lasti,
				       struct py_position * ret) = {
		[PY_LINES_LNOTAB] = find_lnotab,
		[PY_LINES_RANGES] = find_range,
		[PY_LINES_LOCATIONS] = find_location,
	};
	static const uint8_t none;
	/* Without a length there may be no table to point into. */
	struct cursor c = { len ? table : &none, len ? table + len : &none };
	if (lasti < 0)
		return false;
	return finders[kind](c, first_line, lasti, ret);
}

/* Where a visit of all rows stands. */
struct rows {
	struct cursor c;
	int64_t at, line;
	uint32_t end; /* of the bytecode */
	py_lines_visitor visit;
	void *arg;
};

/* The next @bytes of bytecode are of @line; false: that was the last of it. */
static bool put_row(struct rows *r, int64_t bytes, int64_t line)
{
	int64_t end = r->at + bytes < r->end ? r->at + bytes : r->end;
	if (end > r->at)
		r->visit(r->arg, (uint32_t)r->at, (uint32_t)end, clip(line));
	r->at = end;
	return end < r->end;
}

static void visit_lnotab(struct rows *r)
{
	for (; r->c.end - r->c.p >= 2; r->c.p += 2) {
		if (!put_row(r, r->c.p[0], r->line))
			return;
		r->line += (int8_t)r->c.p[1];
	}
	put_row(r, r->end, r->line);
}

static void visit_ranges(struct rows *r)
{
	for (; r->c.end - r->c.p >= 2; r->c.p += 2) {
		int64_t step = r->c.p[1] < 0x80 ? r->c.p[1] : r->c.p[1] - 0x100;
		if (step != NO_LINE)
			r->line += step;
		if (!put_row(r, r->c.p[0], step == NO_LINE ? -1 : r->line))
			return;
	}
}

static void visit_locations(struct rows *r)
{
	while (r->c.p < r->c.end) {
		unsigned int head = *r->c.p++;
		int64_t units = (head & 7) + 1;
		struct entry e = next_entry(&r->c, head >> 3 & 15);
		r->line += e.line_delta;
		if (!put_row(r, units * 2, e.has_line ? r->line : -1))
			return;
	}
}

void py_lines_visit(const struct py_code *code, uint32_t code_len, py_lines_visitor visit,
		    void *arg)
{
	static void (*const visitors[])(struct rows * r) = {
		[PY_LINES_LNOTAB] = visit_lnotab,
		[PY_LINES_RANGES] = visit_ranges,
		[PY_LINES_LOCATIONS] = visit_locations,
	};
	struct rows r = { .line = code->first_line, .end = code_len, .visit = visit, .arg = arg };
	/* To 3.9 an empty table says that all of it is on the first line. */
	if (code->lines_len)
		r.c = (struct cursor){ code->lines, code->lines + code->lines_len };
	visitors[code->lines_kind](&r);
}

bool py_code_position(struct py_code *code, int32_t lasti, struct py_position *ret)
{
	if (code->memo_lasti != lasti) {
		code->memo = (struct py_position){ -1, -1, -1, -1 };
		py_lines_find(code->lines_kind, code->lines, code->lines_len, code->first_line,
			      lasti, &code->memo);
		code->memo_lasti = lasti;
	}
	*ret = code->memo;
	return ret->line >= 0;
}

/* ---- reading one ---- */

struct reader {
	struct py_codes *codes;
	struct mem *mem;
	const struct py_offsets *off;
};

/* Puts "<corrupt: why>" for the error, which is dropped. */
static void put_corrupt(struct buf *out, struct err *err)
{
	buf_clear(out);
	buf_puts(out, "<corrupt: ");
	buf_puts(out, err->msg);
	buf_puts(out, ">");
	err_drop(err);
}

/* The text of a str object; what cannot be read is said in its place.  NULL: no memory. */
static const char *read_text(const struct reader *r, uint64_t addr, size_t max)
{
	struct buf *b = &r->codes->scratch;
	buf_clear(b);
	struct err *err = py_text_str(r->mem, r->off, addr, max, b);
	if (err)
		put_corrupt(b, err);
	r->codes->bytes += b->len;
	return b->failed ? NULL : arena_strdup(&r->codes->arena, b->data, b->len);
}

static const char *read_file(const struct reader *r, uint64_t addr)
{
	if (addr != r->codes->last_file || !r->codes->last_file_text) {
		r->codes->last_file_text = read_text(r, addr, PY_FILE_MAX);
		r->codes->last_file = addr;
	}
	return r->codes->last_file_text;
}

/* The table itself; without one every line is unknown, which is no reason to fail. */
static struct err *read_lines(const struct reader *r, uint64_t addr, struct py_code *code)
{
	uint64_t len;
	struct err *err = mem_ptr(r->mem, addr + r->off->bytes.size, &len);
	if (err || len > PY_LINETABLE_MAX) {
		err_drop(err);
		return NULL;
	}
	uint8_t *lines = arena_alloc(&r->codes->arena, len + 1);
	if (!lines)
		return &err_nomem;
	code->lines = lines;
	r->codes->bytes += len;
	code->lines_len = mem_read_some(r->mem, addr + r->off->bytes.data, lines, len);
	return NULL;
}

/* Whether the type at @type is called "code"; learns its address. */
static struct err *check_type(const struct reader *r, uint64_t type, bool *none)
{
	uint64_t name;
	char text[9] = "";

	if (type == r->codes->code_type && type)
		return NULL;
	struct err *err = mem_ptr(r->mem, type + r->off->type.name, &name);
	if (err)
		return err;
	/* A core need not hold .rodata, where the name is: then there is no telling. */
	size_t n = mem_read_some(r->mem, name, text, sizeof(text) - 1);
	if (n == 0)
		return NULL;
	*none = strcmp(text, "NoneType") == 0;
	if (*none)
		return NULL;
	if (strcmp(text, "code") != 0)
		return err_new(ERR_BAD_DATA, "not a code object");
	r->codes->code_type = type;
	return NULL;
}

/* Where the instructions are and how long: behind the object, or a bytes object (to 3.10). */
static struct err *find_instructions(const struct reader *r, struct obj *o, struct py_code *code)
{
	const struct py_offsets *off = r->off;
	uint64_t size = obj_uint(o, off->object.var_size, 8);
	code->bytecode = code->addr + off->code.bytecode;
	if (off->code.bytecode == PY_NONE) {
		uint64_t bytes = obj_uint(o, off->code.bytes, 8);
		code->bytecode = bytes + off->bytes.data;
		struct err *err = mem_ptr(r->mem, bytes + off->bytes.size, &size);
		if (err)
			return err;
	}
	code->bytecode_len = off->code.bytecode == PY_NONE ? size : size * 2;
	if (size > UINT32_MAX / 4)
		return err_new(ERR_BAD_DATA, "code object at 0x%llx is implausibly long",
			       (unsigned long long)code->addr);
	return NULL;
}

static struct err *read_code(const struct reader *r, struct py_code *code)
{
	const struct py_offsets *off = r->off;
	struct obj o;

	code->absent = !code->addr;
	if (code->absent)
		return NULL;
	if (r->codes->bytes > PY_CODES_BYTES)
		return err_new(ERR_BAD_DATA, "more code than is served");
	struct err *err = obj_load(r->mem, code->addr, py_offsets_code_span(off), &o);
	if (!err)
		err = check_type(r, obj_uint(&o, off->object.type, 8), &code->absent);
	if (!err && !code->absent)
		err = find_instructions(r, &o, code);
	if (err || code->absent)
		return err;
	uint64_t file = obj_uint(&o, off->code.filename, 8);
	uint64_t name = obj_uint(&o, off->code.name, 8);
	uint64_t qualname = py_field(&o, off->code.qualname, 8);
	code->lines_kind = (enum py_lines)off->lines;
	code->first_line = (int32_t)obj_uint(&o, off->code.first_line, 4);
	code->first_traceable = -1;
	if (off->code.first_traceable != PY_NONE)
		code->first_traceable =
			clip((int32_t)obj_uint(&o, off->code.first_traceable, 4) * 2ll);
	/*
	 * _Py_InitCleanup (3.12 and later, Python/specialize.c): runs between a class call and
	 * its __init__; its file, name and qualname are one and the same str, its line is 0.
	 */
	code->trampoline = file == name && name == qualname && code->first_line == 0;
	code->file = read_file(r, file);
	code->name = read_text(r, name, PY_NAME_MAX);
	code->qualname =
		qualname && qualname != name ? read_text(r, qualname, PY_NAME_MAX) : code->name;
	if (!code->file || !code->name || !code->qualname)
		return &err_nomem;
	/* 3.12, Objects/codeobject.c, _Py_MakeShimCode(): what later versions say by None. */
	code->absent = strcmp(code->file, "<shim>") == 0 &&
		       strcmp(code->name, "<interpreter trampoline>") == 0;
	return read_lines(r, obj_uint(&o, off->code.linetable, 8), code);
}

/* ---- the memo ---- */

void py_codes_deinit(struct py_codes *c)
{
	free(c->slot);
	arena_deinit(&c->arena);
	buf_deinit(&c->scratch);
	*c = (struct py_codes){ 0 };
}

void py_codes_reset(struct py_codes *c, bool types)
{
	if (c->n)
		memset((void *)c->slot, 0,
		       c->nslots *
			       sizeof(struct py_code *)); /* NOLINT(bugprone-sizeof-expression) */
	c->n = c->bytes = 0;
	arena_reset(&c->arena);
	c->last_file_text = NULL;
	if (types)
		c->code_type = 0;
}

static struct py_code **find_slot(struct py_code **slot, size_t nslots, uint64_t addr)
{
	size_t i = (addr >> 4) * 0x9e3779b97f4a7c15ull >> 32 & (nslots - 1);
	while (slot[i] && slot[i]->addr != addr)
		i = (i + 1) & (nslots - 1);
	return &slot[i];
}

static struct err *grow(struct py_codes *c)
{
	size_t nslots = c->nslots ? c->nslots * 2 : SLOTS_MIN;
	struct py_code **slot =
		calloc(nslots, sizeof(struct py_code *)); /* NOLINT(bugprone-sizeof-expression) */
	if (!slot)
		return &err_nomem;
	for (size_t i = 0; i < c->nslots; i++)
		if (c->slot[i])
			*find_slot(slot, nslots, c->slot[i]->addr) = c->slot[i];
	free(c->slot);
	c->slot = slot;
	c->nslots = nslots;
	return NULL;
}

static struct err *load(const struct reader *r, uint64_t addr, struct py_code **ret)
{
	struct py_code *code = arena_alloc(&r->codes->arena, sizeof(*code));
	if (!code)
		return &err_nomem;
	code->addr = addr;
	code->memo_lasti = INT32_MIN;
	struct err *err = read_code(r, code);
	if (err && err->code == ERR_NOMEM)
		return err;
	if (err) {
		put_corrupt(&r->codes->scratch, err);
		code->corrupt = arena_strdup(&r->codes->arena, r->codes->scratch.data,
					     r->codes->scratch.len);
		if (!code->corrupt)
			return &err_nomem;
	}
	*ret = code;
	return NULL;
}

struct err *py_codes_get(struct py_codes *c, struct mem *m, const struct py_offsets *off,
			 uint64_t addr, struct py_code **ret)
{
	if ((c->n + 1) * 2 > c->nslots) {
		struct err *err = grow(c);
		if (err)
			return err;
	}
	struct py_code **slot = find_slot(c->slot, c->nslots, addr);
	if (!*slot) {
		const struct reader r = { c, m, off };
		struct err *err = load(&r, addr, slot);
		if (err)
			return err;
		c->n++;
	}
	*ret = *slot;
	return NULL;
}
