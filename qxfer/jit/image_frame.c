/* SPDX-License-Identifier: MIT */
/* Rules as call frame information: DWARF 4, 6.4. */
#include <string.h>

#include "qxfer/jit/image.h"
#include "qxfer/synth/priv.h"

enum {
	CFA_ADVANCE = 0x40,
	CFA_OFFSET = 0x80,
	CFA_ADVANCE1 = 0x02,
	CFA_ADVANCE2 = 0x03,
	CFA_ADVANCE4 = 0x04,
	CFA_SAME = 0x08,
	CFA_REGISTER = 0x09,
	CFA_DEF = 0x0c,
	CFA_DEF_EXPR = 0x0f,
	CFA_EXPR = 0x10,
	CFA_OFFSET_SF = 0x11,
	CFA_DEF_SF = 0x12,
	OP_BREG0 = 0x70,
	OP_DEREF = 0x06,
	OP_CONST4S = 0x0d,
	OP_PLUS = 0x22,
	OP_BRA = 0x28,
	OP_SKIP = 0x2f,
	DATA_ALIGN = -8,
	RETURN = 16,
	ADDRESS_SIZE = 8,
};

struct fde {
	struct buf *out;
	size_t length_at; /* of the one that is open */
	uint64_t at;	  /* up to here its rows go */
	const struct jit_rule *last;
};

static void close_record(struct buf *out, size_t length_at)
{
	put_align(out, 8);
	set_u32(out, length_at, out->len - length_at - 4);
}

static void put_cie(struct buf *out)
{
	size_t length_at = out->len;
	put_u32(out, 0);
	put_u32(out, UINT32_MAX);
	put_u8(out, 4);
	put_u8(out, 0); /* no augmentation */
	put_u8(out, ADDRESS_SIZE);
	put_u8(out, 0);
	put_uleb(out, 1);
	put_sleb(out, DATA_ALIGN);
	put_uleb(out, RETURN);
	put_u8(out, CFA_DEF);
	put_uleb(out, JIT_RSP);
	put_uleb(out, 8);
	put_u8(out, CFA_OFFSET | RETURN);
	put_uleb(out, 1);
	for (unsigned int i = 0; i < JIT_SAVED; i++) {
		put_u8(out, CFA_SAME);
		put_uleb(out, jit_saved[i]);
	}
	close_record(out, length_at);
}

static void open_fde(struct fde *f, uint64_t start, uint64_t end)
{
	f->length_at = f->out->len;
	f->at = start;
	f->last = NULL;
	put_u32(f->out, 0);
	put_u32(f->out, 0); /* the CIE is the section's first */
	put_u64(f->out, start - JIT_IMAGE_L_ADDR);
	put_u64(f->out, end - start);
}

static void advance(struct fde *f, uint64_t to)
{
	uint64_t by = to - f->at;
	f->at = to;
	if (!by)
		return;
	if (by < CFA_ADVANCE) {
		put_u8(f->out, CFA_ADVANCE | (unsigned int)by);
	} else if (by <= UINT8_MAX) {
		put_u8(f->out, CFA_ADVANCE1);
		put_u8(f->out, (unsigned int)by);
	} else if (by <= UINT16_MAX) {
		put_u8(f->out, CFA_ADVANCE2);
		put_u16(f->out, (unsigned int)by);
	} else {
		put_u8(f->out, CFA_ADVANCE4);
		put_u32(f->out, by);
	}
}

/* "register + offset", as an expression. */
static void put_breg(struct buf *out, unsigned int reg, int32_t offset)
{
	_cleanup_buf_ struct buf expr = { 0 };
	put_u8(&expr, OP_BREG0 + reg);
	put_sleb(&expr, offset);
	put_uleb(out, expr.len);
	buf_put(out, expr.data, expr.len);
}

static void put_block(struct buf *out, const struct buf *expr)
{
	put_uleb(out, expr->len);
	buf_put(out, expr->data, expr->len);
}

/* "index ? rsp + 8 : register + offset". */
static void put_by_index(struct buf *out, const struct jit_rule *r)
{
	_cleanup_buf_ struct buf expr = { 0 }, first = { 0 };
	put_u8(&first, OP_BREG0 + r->cfa_reg);
	put_sleb(&first, r->cfa_off);
	put_u8(&expr, OP_BREG0 + r->index_reg);
	put_sleb(&expr, 0);
	put_u8(&expr, OP_BRA);
	put_u16(&expr, (unsigned int)first.len + 3);
	buf_put(&expr, first.data, first.len);
	put_u8(&expr, OP_SKIP);
	put_u16(&expr, 2);
	put_u8(&expr, OP_BREG0 + JIT_RSP);
	put_sleb(&expr, 8);
	put_block(out, &expr);
}

/* "*(register + displacement) + offset". */
static void put_by_memory(struct buf *out, const struct jit_rule *r)
{
	_cleanup_buf_ struct buf expr = { 0 };
	put_u8(&expr, OP_BREG0 + r->cfa_reg);
	put_sleb(&expr, r->cfa_disp);
	put_u8(&expr, OP_DEREF);
	put_u8(&expr, OP_CONST4S);
	put_u32(&expr, (uint32_t)r->cfa_off);
	put_u8(&expr, OP_PLUS);
	put_block(out, &expr);
}

/*
 * lldb (14 to 23) unwinds the innermost frame by the code's bytes unless the table begins in another
 * way than compilers' do: with an expression, for one (FuncUnwinders::GetUnwindPlanAtNonCallSite).
 */
static void put_cfa(struct fde *f, const struct jit_rule *r)
{
	if (r->cfa_kind != JIT_CFA_REG) {
		put_u8(f->out, CFA_DEF_EXPR);
		(r->cfa_kind == JIT_CFA_BY_INDEX ? put_by_index : put_by_memory)(f->out, r);
	} else if (f->last && r->cfa_off >= 0) {
		put_u8(f->out, CFA_DEF);
		put_uleb(f->out, r->cfa_reg);
		put_uleb(f->out, (uint64_t)r->cfa_off);
	} else {
		put_u8(f->out, CFA_DEF_EXPR);
		put_breg(f->out, r->cfa_reg, r->cfa_off);
	}
}

static void put_ra(struct fde *f, const struct jit_rule *r)
{
	if (r->ra_kind == JIT_RA_AT_CFA) {
		put_u8(f->out, CFA_OFFSET | RETURN);
		put_uleb(f->out, 1);
		return;
	}
	put_u8(f->out, r->ra_kind == JIT_RA_IN_REG ? CFA_REGISTER : CFA_EXPR);
	put_uleb(f->out, RETURN);
	if (r->ra_kind == JIT_RA_IN_REG)
		put_uleb(f->out, r->ra_reg);
	else
		put_breg(f->out, r->ra_reg, r->ra_disp);
}

static void put_saved(struct fde *f, unsigned int i, int32_t at)
{
	if (!at || at % DATA_ALIGN) {
		put_u8(f->out, CFA_SAME);
		put_uleb(f->out, jit_saved[i]);
		return;
	}
	put_u8(f->out, CFA_OFFSET_SF);
	put_uleb(f->out, jit_saved[i]);
	put_sleb(f->out, at / DATA_ALIGN);
}

static void put_rule(struct fde *f, const struct jit_rule *r)
{
	const struct jit_rule *was = f->last;
	if (!was || was->cfa_reg != r->cfa_reg || was->cfa_off != r->cfa_off ||
	    was->cfa_kind != r->cfa_kind || was->index_reg != r->index_reg ||
	    was->cfa_disp != r->cfa_disp)
		put_cfa(f, r);
	if (was ? was->ra_kind != r->ra_kind || was->ra_reg != r->ra_reg ||
			    was->ra_disp != r->ra_disp
		: r->ra_kind != JIT_RA_AT_CFA)
		put_ra(f, r);
	for (unsigned int i = 0; i < JIT_SAVED; i++)
		if ((was ? was->at[i] : 0) != r->at[i])
			put_saved(f, i, r->at[i]);
	f->last = r;
}

/* ---- regions ---- */

/* The next place after @at where a function begins or ends; @end if none does. */
static uint64_t next_edge(const struct jit_region *r, size_t *func, uint64_t at, uint64_t end)
{
	const struct jit_table *t = r->table;
	while (*func < t->nfuncs && r->base + t->func[*func].start + t->func[*func].len <= at)
		++*func;
	if (*func == t->nfuncs)
		return end;
	uint64_t start = r->base + t->func[*func].start, stop = start + t->func[*func].len;
	uint64_t edge = start > at ? start : stop;
	return edge < end ? edge : end;
}

/* [start, end), which is all within a function or all without. */
static void put_stretch(struct fde *f, const struct jit_region *r, uint64_t start, uint64_t end)
{
	const struct jit_table *t = r->table;
	bool open = false;
	size_t first = jit_table_row(t, (uint32_t)(start - r->base));
	for (size_t i = first < t->nrows ? first : 0; i < t->nrows; i++) {
		uint64_t from = r->base + t->row[i].start;
		if (from >= end)
			break;
		bool known = t->row[i].rule < t->nrules;
		if (open && !known)
			break;
		if (!known)
			continue;
		uint64_t at = from > start ? from : start;
		if (!open)
			open_fde(f, at, end);
		open = true;
		advance(f, at);
		put_rule(f, &t->rule[t->row[i].rule]);
	}
	if (open)
		close_record(f->out, f->length_at);
}

void jit_image_put_frame(struct buf *out, const struct jit_region *const *r, size_t n)
{
	struct fde f = { .out = out };
	put_cie(out);
	for (size_t i = 0; i < n && out->len < JIT_IMAGE_MAX; i++) {
		size_t func = 0;
		for (uint64_t at = r[i]->start; at < r[i]->end;) {
			uint64_t edge = next_edge(r[i], &func, at, r[i]->end);
			put_stretch(&f, r[i], at, edge);
			at = edge;
		}
	}
}
