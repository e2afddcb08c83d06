/* SPDX-License-Identifier: MIT */
#include "qxfer/jit/pe.h"

#include <stdlib.h>
#include <string.h>

#include "qxfer/jit/fallback.h"
#include "qxfer/synth/priv.h"

enum { UWOP_PUSH, UWOP_ALLOC_LARGE, UWOP_ALLOC_SMALL, UWOP_SET_FPREG, UWOP_SAVE };

#define CHAININFO  4u
#define CODES_MAX  64u /* slots of 16 bits in one UNWIND_INFO */
#define PAGE	   0x1000u
#define HEADERS	   0x400u
#define BASE_ALIGN 0x10000ull
#define REGION_MAX 0x80000000ull
#define FUNC_MAX   (1u << 20)

/* Windows' numbers, by DWARF's. */
static const uint8_t win_reg[JIT_REGS] = { 0, 2, 1, 3, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15 };

/* ---- one UNWIND_INFO ---- */

struct codes {
	uint16_t slot[CODES_MAX];
	unsigned int n;
	bool bad;
};

static void put_slot(struct codes *c, unsigned int v)
{
	if (c->n < CODES_MAX)
		c->slot[c->n++] = (uint16_t)v;
	else
		c->bad = true;
}

static void put_op(struct codes *c, unsigned int op, unsigned int info)
{
	put_slot(c, (op | info << 4) << 8);
}

static void put_alloc(struct codes *c, int32_t n)
{
	if (n < 0 || n % 8) {
		c->bad = true;
	} else if (n && n <= 128) {
		put_op(c, UWOP_ALLOC_SMALL, (unsigned int)n / 8 - 1);
	} else if (n && n / 8 <= UINT16_MAX) {
		put_op(c, UWOP_ALLOC_LARGE, 0);
		put_slot(c, (unsigned int)n / 8);
	} else if (n) {
		put_op(c, UWOP_ALLOC_LARGE, 1);
		put_slot(c, (unsigned int)n & 0xffff);
		put_slot(c, (unsigned int)n >> 16);
	}
}

/* From @base bytes below the CFA up to the return address, past where rbp was pushed. */
static void put_path(struct codes *c, const struct jit_rule *r, int32_t base)
{
	if (!r->at[0]) {
		put_alloc(c, base - 8);
		return;
	}
	put_alloc(c, base + r->at[0]);
	put_op(c, UWOP_PUSH, win_reg[JIT_RBP]);
	put_alloc(c, -r->at[0] - 16);
}

/* How far below the frame register the lowest saved register is, in 16 bytes. */
static unsigned int frame_offset(const struct jit_rule *r)
{
	int32_t lowest = 0;
	for (unsigned int i = 1; i < JIT_SAVED; i++)
		if (r->at[i] && r->cfa_off + r->at[i] < lowest)
			lowest = r->cfa_off + r->at[i];
	return (unsigned int)(-lowest + 15) / 16;
}

static void put_saved(struct codes *c, const struct jit_rule *r, int32_t base)
{
	for (unsigned int i = 1; i < JIT_SAVED; i++) {
		int32_t at = base + r->at[i];
		if (!r->at[i])
			continue;
		if (at < 0 || at % 8 || at / 8 > UINT16_MAX) {
			c->bad = true;
			return;
		}
		put_op(c, UWOP_SAVE, win_reg[jit_saved[i]]);
		put_slot(c, (unsigned int)at / 8);
	}
}

bool pe_put_info(struct buf *out, const struct jit_rule *rule)
{
	const struct jit_rule entry = jit_rule_entry(JIT_BY_FLOW);
	/* All but the first time. */
	const struct jit_rule *r = rule->cfa_kind == JIT_CFA_BY_INDEX ? &entry : rule;
	struct codes c = { .n = 0 };
	bool by_sp = r->cfa_reg == JIT_RSP;
	unsigned int below = by_sp ? 0 : frame_offset(r);
	int32_t base = r->cfa_off + (int32_t)below * 16;

	if (r->cfa_kind != JIT_CFA_REG || r->ra_kind != JIT_RA_AT_CFA || below > 15 ||
	    r->cfa_reg >= JIT_REGS)
		return false;
	if (!by_sp)
		put_op(&c, UWOP_SET_FPREG, 0);
	put_saved(&c, r, base);
	put_path(&c, r, base);
	if (c.bad)
		return false;
	put_u8(out, 1); /* version; no flags */
	put_u8(out, 0); /* no prolog: what is said holds anywhere */
	put_u8(out, c.n);
	put_u8(out, by_sp ? 0 : win_reg[r->cfa_reg] | below << 4);
	for (unsigned int i = 0; i < c.n + c.n % 2; i++)
		put_u16(out, i < c.n ? c.slot[i] : 0);
	return true;
}

/* ---- tables ---- */

/* The first row of a function, and what was chained to it. */
struct primary {
	uint64_t start, end;
	uint32_t info; /* offset in xdata */
};

struct chain {
	uint64_t of; /* primary.start */
	uint32_t info;
};

struct writer {
	const struct jit_region *r;
	uint64_t base;	/* of the image */
	uint32_t code;	/* offsets from it */
	uint32_t xdata; /* where .xdata will lie */
	uint32_t *info; /* of each rule: offset in xdata plus one; 0: not written yet */
	struct buf pdata, xdata_bytes;
	size_t entries;
	struct chain *chain; /* PE_CHAINED: of each rule */
	struct primary primary;
	size_t func; /* the next one to begin */
};

/* As in the V8 design: push %rbp; mov %rsp,%rbp in a prolog of four bytes. */
static void put_design_info(struct buf *out)
{
	static const uint8_t info[] = { 0x01, 0x04, 0x02, 0x05, 0x04, 0x03, 0x01, 0x50 };
	buf_put(out, info, sizeof(info));
}

static void put_entry(struct writer *w, uint64_t start, uint64_t end, uint32_t info)
{
	if (start >= end || w->entries++ >= PE_ENTRIES_MAX)
		return;
	put_u32(&w->pdata, start - w->base);
	put_u32(&w->pdata, end - w->base);
	put_u32(&w->pdata, info);
}

/* Where in .xdata the codes of a rule are. */
static uint32_t put_info(struct writer *w, uint32_t number)
{
	const struct jit_rule frame = jit_rule_frame(JIT_BY_DEFAULT);
	put_align(&w->xdata_bytes, 4);
	uint32_t at = (uint32_t)w->xdata_bytes.len;
	if (!pe_put_info(&w->xdata_bytes, &w->r->table->rule[number]))
		(void)pe_put_info(&w->xdata_bytes, &frame);
	return at;
}

static uint32_t info_of(struct writer *w, uint32_t number)
{
	if (!w->info[number])
		w->info[number] = put_info(w, number) + 1;
	return w->info[number] - 1;
}

/* ---- chained to the first row of the function ---- */

static bool is_entry(const struct jit_rule *r)
{
	struct jit_rule entry = jit_rule_entry(r->source);
	return memcmp(r, &entry, sizeof(entry)) == 0;
}

static uint32_t chained_info(struct writer *w, uint32_t number)
{
	struct chain *c = &w->chain[number];
	if (c->of == w->primary.start)
		return c->info;
	c->of = w->primary.start;
	c->info = put_info(w, number);
	if (!w->xdata_bytes.failed)
		w->xdata_bytes.data[c->info] |= CHAININFO << 3;
	put_u32(&w->xdata_bytes, w->primary.start - w->base);
	put_u32(&w->xdata_bytes, w->primary.end - w->base);
	put_u32(&w->xdata_bytes, w->xdata + w->primary.info);
	return c->info;
}

/* [start, end), which no function begins within. */
static void put_chained(struct writer *w, uint64_t start, uint64_t end, uint32_t number)
{
	const struct jit_func *f = jit_table_func(w->r->table, (uint32_t)(start - w->r->base));
	uint64_t of = f ? w->r->base + f->start : 0;
	if (f && of == start && is_entry(&w->r->table->rule[number]))
		w->primary = (struct primary){ start, end, info_of(w, number) };
	bool chained = f && of < start && w->primary.start == of;
	put_entry(w, start, end, chained ? chained_info(w, number) : info_of(w, number));
}

/* The row is one for all functions that it reaches over; each needs a begin of its own. */
static void put_split(struct writer *w, uint64_t start, uint64_t end, uint32_t number)
{
	const struct jit_table *t = w->r->table;
	while (w->func < t->nfuncs && w->r->base + t->func[w->func].start <= start)
		w->func++;
	while (w->func < t->nfuncs && w->r->base + t->func[w->func].start < end) {
		uint64_t next = w->r->base + t->func[w->func++].start;
		put_chained(w, start, next, number);
		start = next;
	}
	put_chained(w, start, end, number);
}

static void put_rows(struct writer *w)
{
	const struct jit_table *t = w->r->table;
	for (size_t i = 0; i < t->nrows; i++) {
		uint64_t start = w->r->base + t->row[i].start;
		uint64_t end = i + 1 < t->nrows ? w->r->base + t->row[i + 1].start : w->r->end;
		if (t->row[i].rule >= t->nrules || end <= w->r->start || start >= w->r->end)
			continue;
		start = start < w->r->start ? w->r->start : start;
		end = end > w->r->end ? w->r->end : end;
		if (w->chain)
			put_split(w, start, end, t->row[i].rule);
		else
			put_entry(w, start, end, info_of(w, t->row[i].rule));
	}
}

/* The rows that begin an entry of the fallback are those of an entry's state. */
static void put_function(struct writer *w, const struct jit_func *f, struct mem *m)
{
	struct jit_table t = { 0 };
	uint64_t at = w->r->base + f->start, from = at;
	uint8_t *code = f->len <= FUNC_MAX ? malloc(f->len + 1ull) : NULL;
	size_t got = code ? mem_read_some(m, at, code, f->len) : 0;

	fallback_each(&t, code, 0, (uint32_t)got);
	for (size_t i = 1; i < t.nrows; i++) {
		const struct jit_rule *r = &t.rule[t.row[i].rule];
		if (r->cfa_reg != JIT_RSP || r->cfa_off != 8)
			continue;
		put_entry(w, from, at + t.row[i].start, 0);
		from = at + t.row[i].start;
	}
	put_entry(w, from, at + f->len, 0);
	jit_table_deinit(&t);
	free(code);
}

static void put_each(struct writer *w, struct mem *m)
{
	const struct jit_table *t = w->r->table;
	for (size_t i = 0; i < t->nfuncs; i++) {
		uint64_t start = w->r->base + t->func[i].start;
		if (start >= w->r->start && start < w->r->end)
			put_function(w, &t->func[i], m);
	}
}

/* ---- the file: Microsoft, "PE Format" ---- */

static uint32_t up(uint64_t v, uint32_t align)
{
	return (uint32_t)((v + align - 1) / align * align);
}

static void put_section(struct buf *out, const char name[8], uint32_t at, uint32_t size,
			uint32_t file_at, uint32_t flags)
{
	buf_put(out, name, 8);
	put_u32(out, size);
	put_u32(out, at);
	put_u32(out, file_at ? up(size, 0x200) : 0);
	put_u32(out, file_at);
	put_zeros(out, 12);
	put_u32(out, flags);
}

static void put_optional(struct buf *out, const struct writer *w, uint32_t pdata, uint32_t size)
{
	put_u16(out, 0x20b); /* PE32+ */
	put_zeros(out, 2);
	put_u32(out, up(w->r->end - w->r->start, 0x200));
	put_zeros(out, 12);
	put_u32(out, w->code);
	put_u64(out, w->base);
	put_u32(out, PAGE);
	put_u32(out, 0x200);
	put_u32(out, 6); /* version of the system */
	put_u32(out, 0);
	put_u32(out, 6); /* and of its subsystem */
	put_u32(out, 0);
	put_u32(out, size);
	put_u32(out, HEADERS);
	put_zeros(out, 4);
	put_u16(out, 3); /* console */
	put_zeros(out, 2 + 4 * 8 + 4);
	put_u32(out, 16); /* directories, of which the fourth is the exceptions' */
	put_zeros(out, 3 * 8ull);
	put_u32(out, pdata);
	put_u32(out, w->pdata.len);
	put_zeros(out, 12 * 8ull);
}

static void put_image(struct buf *out, const struct writer *w)
{
	uint32_t xdata_len = (uint32_t)w->xdata_bytes.len;
	uint32_t pdata = up((uint64_t)w->xdata + xdata_len, PAGE);
	uint32_t pdata_file = HEADERS + up(xdata_len, 0x200);
	size_t start = out->len;

	put_u16(out, 0x5a4d);
	put_zeros(out, 58);
	put_u32(out, 64);
	put_u32(out, 0x4550);
	put_u16(out, 0x8664);
	put_u16(out, 3);
	put_zeros(out, 12);
	put_u16(out, 240);
	put_u16(out, 0x2022); /* a library, executable, of large addresses */
	put_optional(out, w, pdata, up((uint64_t)pdata + w->pdata.len, PAGE));
	uint32_t code = w->code / PAGE * PAGE;
	put_section(out, ".text\0\0", code, (uint32_t)(w->r->end - w->base) - code, 0, 0x60000020);
	put_section(out, ".xdata\0", w->xdata, xdata_len, HEADERS, 0x40000040);
	put_section(out, ".pdata\0", pdata, (uint32_t)w->pdata.len, pdata_file, 0x40000040);
	put_zeros(out, HEADERS - (out->len - start));
	buf_put(out, w->xdata_bytes.data, xdata_len);
	put_zeros(out, pdata_file - (out->len - start));
	buf_put(out, w->pdata.data, w->pdata.len);
	put_align(out, 0x200);
}

struct err *pe_write(struct buf *out, const struct jit_region *r, enum pe_mode mode, struct mem *m)
{
	struct writer w = { .r = r };

	if (r->end - r->start >= REGION_MAX)
		return err_new(ERR_BAD_DATA, "a region of 2 GB and more has no Win64 table");
	w.base = r->start / BASE_ALIGN * BASE_ALIGN - BASE_ALIGN;
	w.code = (uint32_t)(r->start - w.base);
	w.xdata = up(r->end - w.base, PAGE);
	w.info = calloc(r->table->nrules + 1, sizeof(*w.info));
	if (mode == PE_CHAINED)
		w.chain = calloc(r->table->nrules + 1, sizeof(*w.chain));
	if (!w.info || (mode == PE_CHAINED && !w.chain)) {
		free(w.info);
		free(w.chain);
		return &err_nomem;
	}
	if (mode == PE_SINGLE || mode == PE_EACH)
		put_design_info(&w.xdata_bytes);
	if (mode == PE_SINGLE)
		put_entry(&w, r->start, r->end, 0);
	else if (mode == PE_EACH)
		put_each(&w, m);
	else
		put_rows(&w);
	/* Now that it is known where .xdata lies. */
	for (size_t i = 8; !w.pdata.failed && i < w.pdata.len; i += 12) {
		uint32_t info;
		memcpy(&info, w.pdata.data + i, sizeof(info));
		set_u32(&w.pdata, i, info + w.xdata);
	}
	put_image(out, &w);
	bool ok = !w.pdata.failed && !w.xdata_bytes.failed && !out->failed;
	buf_deinit(&w.pdata);
	buf_deinit(&w.xdata_bytes);
	free(w.info);
	free(w.chain);
	return ok ? NULL : &err_nomem;
}
