/* SPDX-License-Identifier: MIT */
/*
 * The builtins of a process with V8 in it, for win64_check.c:
 *
 *	win64_dump PID FOLDER
 *
 * writes code.bin, rows.bin (tests/unwind/win64_rows.h), and an image of each form.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/jit/insn.h"
#include "qxfer/jit/pe.h"
#include "tests/unwind/one_space.h"
#include "tests/unwind/win64_rows.h"

#define SECTIONS_AT (64 + 24 + 240) /* in the file */

static const char *folder;

static void fail(const char *what)
{
	fprintf(stderr, "win64_dump: %s\n", what);
	exit(1);
}

static void save(const char *name, const struct buf *b)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "wb");
	if (b->failed || !f || fwrite(b->data, 1, b->len, f) != b->len || fclose(f))
		fail(path);
}

static const struct jit_region *builtins(struct jit *j, struct one_space *p)
{
	const struct jit_region *r;
	size_t n;
	struct err *err = jit_survey(j, &p->space, &r, &n);
	for (size_t i = 0; !err && i < n; i++)
		if (r[i].kind == JIT_V8_BUILTINS)
			return &r[i];
	fail("no builtins");
	return NULL;
}

static void put_row(struct buf *out, uint32_t at, const struct jit_rule *r, const struct insn *in)
{
	const struct win64_row row = {
		.at = at,
		.cfa_reg = r->cfa_reg,
		.sayable = r->ra_kind == JIT_RA_AT_CFA && r->cfa_kind == JIT_CFA_REG,
		.pops_rbp = r->at[0] && in->op == INSN_POP && in->dst == JIT_RBP,
		.cfa_off = r->cfa_off,
		.rbp = r->at[0],
	};
	buf_put(out, &row, sizeof(row));
}

static uint32_t put_rows(struct buf *out, const struct jit_region *r, const struct buf *code)
{
	struct insn_decoder *d = insn_decoder_create();
	const struct jit_table *t = r->table;
	uint32_t n = 0;
	if (!d)
		fail("no decoder");
	for (size_t i = 0; i < t->nfuncs; i++) {
		uint64_t start = r->base + t->func[i].start;
		if (start < r->start || start + t->func[i].len > r->end)
			continue;
		struct insn in;
		for (uint32_t at = 0; at < t->func[i].len; at += in.len) {
			uint32_t offset = (uint32_t)(start - r->start) + at;
			const struct jit_rule *rule = jit_table_find(t, t->func[i].start + at);
			insn_decode(d, code->data + offset, t->func[i].len - at, &in);
			if (!rule || rule->source != JIT_BY_FLOW || in.op == INSN_BAD)
				continue;
			put_row(out, offset, rule, &in);
			n++;
		}
	}
	insn_decoder_destroy(d);
	return n;
}

static void save_code(const struct jit_region *r, struct one_space *p, uint32_t rva)
{
	_cleanup_buf_ struct buf code = { 0 }, rows = { 0 }, all = { 0 };
	uint8_t *to = buf_room(&code, r->end - r->start);
	if (!to || !one_read(p, r->start, to, r->end - r->start))
		fail("the code cannot be read");
	code.len = r->end - r->start;
	const struct win64_head head = { rva, put_rows(&rows, r, &code) };
	buf_put(&all, &head, sizeof(head));
	buf_put(&all, rows.data, rows.len);
	save("code.bin", &code);
	save("rows.bin", &all);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		enum pe_mode mode;
	} modes[] = { { "single.pe", PE_SINGLE },
		      { "each.pe", PE_EACH },
		      { "precise.pe", PE_PRECISE },
		      { "chained.pe", PE_CHAINED } };
	struct one_space p;
	struct jit *j;
	uint32_t rva = 0;
	if (argc != 3 || !one_space_open(&p, (pid_t)strtol(argv[1], NULL, 10))) {
		fprintf(stderr, "usage: win64_dump PID FOLDER\n");
		return 2;
	}
	folder = argv[2];
	if (jit_create(&j))
		fail("no memory");
	const struct jit_region *r = builtins(j, &p);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		_cleanup_buf_ struct buf image = { 0 };
		struct err *err = pe_write(&image, r, modes[i].mode, &p.mem);
		if (err)
			fail(err->msg);
		/* .text begins with its page. */
		memcpy(&rva, image.data + SECTIONS_AT + 12, sizeof(rva));
		save(modes[i].name, &image);
	}
	save_code(r, &p, rva + (uint32_t)(r->start % MEM_PAGE));
	one_space_close(&p);
	jit_destroy(j);
	return 0;
}
