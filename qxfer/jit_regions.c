/* SPDX-License-Identifier: MIT */
#include "qxfer/jit_regions.h"

#include <inttypes.h>

#include "qxfer/documents.h"
#include "qxfer/jit/insn.h"
#include "qxfer/osdata.h"
#include "stub/target/target.h"

/* Rows of a table that lie in a region. */
static size_t rows_of(const struct jit_region *r)
{
	const struct jit_table *t = r->table;
	size_t n = 0;
	for (size_t i = 0; i < t->nrows; i++)
		n += t->row[i].rule != JIT_NO_RULE && t->row[i].start + r->base >= r->start &&
		     t->row[i].start + r->base < r->end;
	return n;
}

static size_t funcs_of(const struct jit_region *r)
{
	const struct jit_table *t = r->table;
	size_t n = 0;
	for (size_t i = 0; i < t->nfuncs; i++)
		n += t->func[i].start + r->base >= r->start && t->func[i].start + r->base < r->end;
	return n;
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
