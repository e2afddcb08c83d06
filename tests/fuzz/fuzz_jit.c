/* SPDX-License-Identifier: MIT */
/*
 * Random bytes as code, as memory that a runtime compiled into, and as a kept table: the analysis
 * covers every byte with a rule whose registers exist, the image of it is whole, and nothing
 * else happens.
 */
#include <stdlib.h>
#include <string.h>

#include "qxfer/jit/area.h"
#include "qxfer/jit/image.h"
#include "qxfer/jit/object.h"
#include "qxfer/jit/pe.h"

#define CODE_AT 0x7f0000000000ull

struct input {
	const uint8_t *data;
	size_t len;
	uint8_t moved; /* bytes of the second page that are other ones now */
};

/* The input again and again, with a hole, as an area whose pages come and go. */
static size_t read_input(void *ctx, uint64_t addr, void *buf, size_t len)
{
	const struct input *in = ctx;
	uint8_t *to = buf;
	if (addr < CODE_AT || addr >= CODE_AT + 4 * MEM_PAGE || !in->len)
		return 0;
	size_t n = 0;
	for (; n < len && addr + n < CODE_AT + 4 * MEM_PAGE; n++) {
		if ((addr + n - CODE_AT) / MEM_PAGE == 2)
			break;
		to[n] = in->data[(addr + n) % in->len];
		if (addr + n - CODE_AT - MEM_PAGE < in->moved)
			to[n] ^= 0x55;
	}
	return n;
}

static void present(void *ctx, uint64_t addr, size_t n, uint8_t *ret)
{
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		ret[i] = (addr - CODE_AT) / MEM_PAGE + i != 2;
}

static void check_table(const struct jit_table *t, uint32_t len)
{
	for (uint32_t at = 0; at < len; at++) {
		const struct jit_rule *r = jit_table_find(t, at);
		if (!r || r->cfa_reg >= JIT_REGS || r->ra_reg >= JIT_REGS)
			abort();
	}
}

static void run_flow(const struct input *in)
{
	struct flow *f;
	struct jit_table t = { 0 };
	uint32_t entry = in->len > 8 ? in->data[0] : 0;
	const struct flow_code code = { .bytes = in->data,
					.len = (uint32_t)in->len,
					.entry = &entry,
					.nentries = 1,
					.baseline = in->len % 2,
					.whole = in->len % 5 == 0,
					.several = in->len % 3 == 0 };
	struct err *err = flow_create(&f);
	if (err) {
		err_drop(err);
		return;
	}
	flow_run(f, &code, &t);
	check_table(&t, (uint32_t)in->len);
	flow_destroy(f);
	jit_table_deinit(&t);
}

static bool any(const struct jit_region *r)
{
	(void)r;
	return true;
}

static void write_images(const struct area *a, struct mem *m)
{
	const struct jit_region r = { .start = a->start,
				      .end = a->end,
				      .kind = a->kind,
				      .table = &a->table,
				      .base = a->start };
	struct jit_image image = { .l_ld = 0 };
	err_drop(jit_image_write(&r, 1, any, 0x7e5000001000ull, "code-1.so", &image));
	buf_deinit(&image.bytes);
	for (enum pe_mode mode = PE_SINGLE; mode <= PE_CHAINED; mode++) {
		_cleanup_buf_ struct buf pe = { 0 };
		err_drop(pe_write(&pe, &r, mode, m));
	}
}

static void check_same(const struct jit_table *a, const struct jit_table *b)
{
	if (a->nrows != b->nrows || a->nfuncs != b->nfuncs)
		abort();
	for (size_t i = 0; i < a->nrows; i++) {
		const struct jit_rule *x = jit_table_find(a, a->row[i].start);
		const struct jit_rule *y = jit_table_find(b, a->row[i].start);
		if (a->row[i].start != b->row[i].start || !x != !y ||
		    (x && memcmp(x, y, sizeof(*x)) != 0))
			abort();
	}
}

/* What is compiled changes: the rows are those of a first look. */
static void run_changes(struct input *in, struct area *a, const struct space *s, struct flow *f)
{
	struct area fresh = { .start = a->start, .end = a->end };
	in->moved = in->len > 2 ? in->data[1] : 0;
	mem_invalidate(s->mem);
	struct err *err = area_refresh(a, s, f);
	if (!err)
		err = area_refresh(&fresh, s, f);
	if (!err)
		check_same(&a->table, &fresh.table);
	err_drop(err);
	area_deinit(&fresh);
}

static void run_area(struct input *in)
{
	static const struct mem_ops ops = { .read = read_input };
	struct mem m;
	struct flow *f = NULL;
	struct area a = { .start = CODE_AT, .end = CODE_AT + 4 * MEM_PAGE };
	struct err *err = mem_init(&m, &ops, in, 8);
	if (err)
		return;
	const struct space s = { .mem = &m, .present = present, .ctx = in };
	err = in->len % 4 ? flow_create(&f) : NULL;
	err_drop(err);
	err = area_refresh(&a, &s, f);
	if (!err) {
		check_table(&a.table, 4 * MEM_PAGE);
		write_images(&a, &m);
		run_changes(in, &a, &s, f);
	}
	err_drop(err);
	area_deinit(&a);
	flow_destroy(f);
	mem_deinit(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len, 0 };
	struct object o = { .lo = 0x1000, .hi = 0x100000 };
	if (!len)
		return 0;
	run_flow(&in);
	run_area(&in);
	(void)object_restore(&o, data, len);
	free(o.part);
	jit_table_deinit(&o.table);
	return 0;
}
