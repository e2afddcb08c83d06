/* SPDX-License-Identifier: MIT */
#include "qxfer/jit_regions.h"

#include <inttypes.h>
#include <string.h>

#include "qxfer/documents.h"
#include "qxfer/jit/image.h"
#include "qxfer/jit/insn.h"
#include "qxfer/jit/pe.h"
#include "qxfer/osdata.h"
#include "rsp/cursor.h"
#include "stub/target/target.h"

/* The first of @n pieces of @size, which begin with their start, that starts at @offset or later. */
static size_t first_from(const void *array, size_t n, size_t size, uint64_t offset)
{
	size_t lo = 0, hi = n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		uint32_t start;
		memcpy(&start, (const uint8_t *)array + mid * size, sizeof(start));
		if (start < offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Rows of a table that lie in a region. */
static size_t rows_of(const struct jit_region *r)
{
	const struct jit_table *t = r->table;
	size_t n = 0;
	for (size_t i = first_from(t->row, t->nrows, sizeof(*t->row), r->start - r->base);
	     i < t->nrows && t->row[i].start < r->end - r->base; i++)
		n += t->row[i].rule != JIT_NO_RULE;
	return n;
}

static size_t funcs_of(const struct jit_region *r)
{
	const struct jit_table *t = r->table;
	return first_from(t->func, t->nfuncs, sizeof(*t->func), r->end - r->base) -
	       first_from(t->func, t->nfuncs, sizeof(*t->func), r->start - r->base);
}

static const char *rules_by(void)
{
	const char *why;
	return insn_available(&why) ? "flow" : "fallback";
}

struct err *jit_regions_document(struct jit *j, const struct space *s, struct buf *out)
{
	const struct jit_region *r;
	size_t n;
	struct err *err = jit_survey(j, s, &r, &n);
	if (err)
		return err;
	buf_puts(out, "<?xml version=\"1.0\"?>\n<!DOCTYPE unwind-regions SYSTEM "
		      "\"unwind-regions.dtd\">\n<unwind-regions version=\"1\" rules=\"");
	buf_printf(out, "%s\">\n", rules_by());
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "<region start=\"0x%" PRIx64 "\" end=\"0x%" PRIx64 "\" kind=\"%s\"",
			   r[i].start, r[i].end, jit_kind_name(r[i].kind));
		if (r[i].path) {
			buf_puts(out, " object=\"");
			buf_put_xml(out, r[i].path);
			buf_puts(out, "\"");
		}
		buf_printf(out, " functions=\"%zu\" rows=\"%zu\"/>\n", funcs_of(&r[i]),
			   rows_of(&r[i]));
	}
	buf_puts(out, "</unwind-regions>\n");
	return NULL;
}

static void put_hex(struct buf *out, const char *column, uint64_t value)
{
	buf_printf(out, "<column name=\"%s\">0x%" PRIx64 "</column>\n", column, value);
}

struct err *jit_regions_table(struct jit *j, const struct space *s, struct buf *out)
{
	const struct jit_region *r;
	size_t n;
	struct err *err = jit_survey(j, s, &r, &n);
	if (err)
		return err;
	osdata_begin(out, "code-regions");
	for (size_t i = 0; i < n; i++) {
		osdata_item(out);
		put_hex(out, "Start", r[i].start);
		put_hex(out, "End", r[i].end);
		osdata_text(out, "Kind", jit_kind_name(r[i].kind));
		osdata_uint(out, "Functions", funcs_of(&r[i]));
		osdata_uint(out, "Rows", rows_of(&r[i]));
		osdata_text(out, "Object", r[i].path ? r[i].path : "");
		osdata_item_end(out);
	}
	osdata_end(out);
	return NULL;
}

struct err *jit_regions_text(struct jit *j, const struct space *s, struct buf *out)
{
	const struct jit_region *r;
	const char *why;
	size_t n;
	struct err *err = jit_survey(j, s, &r, &n);
	if (err)
		return err;
	if (!n)
		buf_puts(out, "All code of the process has unwind tables.\n");
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "0x%" PRIx64 "-0x%" PRIx64 "  %-16s %6zu functions %7zu rows",
			   r[i].start, r[i].end, jit_kind_name(r[i].kind), funcs_of(&r[i]),
			   rows_of(&r[i]));
		if (r[i].path)
			buf_printf(out, "  %s", r[i].path);
		buf_puts(out, "\n");
	}
	if (!insn_available(&why))
		buf_printf(out, "Rules are approximate: %s.\n", why);
	return NULL;
}

DOCUMENT(build_unwind_regions)
{
	const struct space *space;
	struct err *err = qxfer_no_annex("unwind-regions", annex);
	if (!err && !ctx->jit)
		err = err_new(ERR_STATE, "unwind tables are switched off");
	if (!err)
		err = target_space(ctx->target, &space);
	return err ? err : jit_regions_document(ctx->jit, space, out);
}

/* ---- tables ---- */

/* Where the headers of an ELF image of one region are said to lie. */
#define TABLE_PLACE 0x7e4ffffff000ull

static bool any(const struct jit_region *r)
{
	(void)r;
	return true;
}

static struct err *put_elf(struct buf *out, const struct jit_region *r, enum pe_mode mode,
			   struct mem *m)
{
	struct jit_image image = { .l_ld = 0 };
	(void)mode;
	(void)m;
	struct err *err = jit_image_write(r, 1, any, TABLE_PLACE, "code.so", &image);
	if (!err)
		buf_put(out, image.bytes.data, image.bytes.len);
	buf_deinit(&image.bytes);
	return err;
}

static const struct form {
	const char *name;
	struct err *(*put)(struct buf *out, const struct jit_region *r, enum pe_mode mode,
			   struct mem *m);
	enum pe_mode mode;
} forms[] = {
	{ "elf;", put_elf, PE_PRECISE },
	{ "win64;precise;", pe_write, PE_PRECISE },
	{ "win64;chained;", pe_write, PE_CHAINED },
	{ "win64;single;", pe_write, PE_SINGLE },
	{ "win64;each;", pe_write, PE_EACH },
};

/* "FORM;ADDRESS": the region that the address lies in. */
static const struct form *parse_annex(const char *annex, uint64_t *addr)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct rsp_cursor c = { annex, annex + strlen(annex) };
		if (cur_literal(&c, forms[i].name) && cur_hex(&c, addr) && cur_end(&c))
			return &forms[i];
	}
	return NULL;
}

DOCUMENT(build_unwind_table)
{
	const struct space *space;
	const struct jit_region *r;
	uint64_t addr;
	size_t n;
	const struct form *form = parse_annex(annex, &addr);

	if (!form)
		return err_new(ERR_PROTO, "unwind-table: elf;ADDRESS or win64;MODE;ADDRESS");
	if (!ctx->jit)
		return err_new(ERR_STATE, "unwind tables are switched off");
	struct err *err = target_space(ctx->target, &space);
	if (!err)
		err = jit_survey(ctx->jit, space, &r, &n);
	for (size_t i = 0; !err && i < n; i++)
		if (addr >= r[i].start && addr < r[i].end)
			return form->put(out, &r[i], form->mode, space->mem);
	return err ? err
		   : err_new(ERR_NOT_FOUND, "0x%" PRIx64 " is not code without an unwind table",
			     addr);
}
