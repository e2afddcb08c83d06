/* SPDX-License-Identifier: MIT */
/*
 * Lib/traceback.py, 3.6 to 3.15, TracebackException.format_exception_only() and
 * _format_syntax_error(); Include/cpython/pyerrors.h, PySyntaxErrorObject.
 */
#include "qxfer/python/excerpts.h"

#include <inttypes.h>

#include "qxfer/python/text.h"
#include "qxfer/python/values_priv.h"

#define TEXT_CHARS 1000u /* of the text; a longer one is not shown */

/* From 3.10 on; before, the text is where END_LINENO is here. */
enum { MSG, FILENAME, LINENO, OFFSET, END_LINENO, END_OFFSET, TEXT, MEMBERS };

struct excerpt {
	uint64_t member[MEMBERS]; /* 0: missing or None */
	uint32_t text[TEXT_CHARS];
	size_t len;		/* of text */
	size_t last;		/* the newlines at its end are from here on */
	size_t first, shown;	/* shown is text[first:shown] */
	int64_t caret, ncarets; /* from first on; none if caret < 0 */
	unsigned int minor;
};

/* What str.isspace() has beyond ASCII and can be printed. */
static bool is_wide_blank(uint32_t c)
{
	return c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x202f ||
	       c == 0x205f || c == 0x3000;
}

static bool is_blank(uint32_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f) || c == 0x85 ||
	       c == 0x2028 || c == 0x2029 || is_wide_blank(c);
}

static void put_char(struct buf *out, uint32_t c)
{
	if (c == '\t' || c == '\n')
		buf_put(out, c == '\t' ? "\t" : "\n", 1);
	else
		py_text_put(out, c);
}

/* ---- what is shown ---- */

static struct err *read_members(struct py_values *v, uint64_t addr, struct excerpt *x)
{
	size_t n = x->minor >= 10 ? MEMBERS : END_LINENO + 1;
	struct err *err = val_syntax_error(v, addr, x->member, n);
	for (size_t i = 0; !err && i < n; i++)
		if (x->member[i] && val_is(v, x->member[i], "NoneType"))
			x->member[i] = 0;
	if (x->minor < 10) {
		x->member[TEXT] = x->member[END_LINENO];
		x->member[END_LINENO] = 0;
	}
	return err;
}

/* All of it, but for the newlines at its end. */
static struct err *read_text(struct py_values *v, struct excerpt *x)
{
	struct err *err = val_get_str(v, x->member[TEXT], x->text, TEXT_CHARS, &x->len);
	if (err)
		return err;
	x->last = x->len;
	while (x->last && x->text[x->last - 1] == '\n')
		x->last--;
	x->shown = x->last;
	return NULL;
}

/* To 3.8: the caret is as far right as what is left of the part before it. */
static void strip_old(struct py_values *v, struct excerpt *x)
{
	int64_t len = (int64_t)x->last, offset, n = 0;
	bool any = x->member[OFFSET] && val_int(v, x->member[OFFSET], &offset);
	while (x->first < x->last && is_blank(x->text[x->first]))
		x->first++;
	while (x->shown > x->first && is_blank(x->text[x->shown - 1]))
		x->shown--;
	x->caret = -1;
	if (!any)
		return;
	offset = (len < offset ? len : offset) - 1;
	if (offset < 0) /* counts from the end, as slices do */
		offset = offset < -len ? 0 : offset + len;
	while (n < offset && is_blank(x->text[n]))
		n++;
	x->caret = offset - n;
	x->ncarets = 1;
}

static bool same_line(struct py_values *v, const struct excerpt *x)
{
	int64_t line, end;
	if (!x->member[LINENO] || !x->member[END_LINENO])
		return x->member[LINENO] == x->member[END_LINENO];
	return val_int(v, x->member[LINENO], &line) && val_int(v, x->member[END_LINENO], &end) &&
	       line == end;
}

/* Both count from 1. */
static void find_end(struct py_values *v, const struct excerpt *x, int64_t *offset, int64_t *end)
{
	int64_t beyond = (int64_t)x->last + 1, given;
	bool any = x->member[END_OFFSET] && val_int(v, x->member[END_OFFSET], &given) && given;
	*end = any ? given : *offset;
	if (x->minor < 13) {
		if (*offset == *end || *end == -1)
			*end = *offset + 1;
		return;
	}
	if (!same_line(v, x))
		*end = beyond;
	if (x->len && *offset > (int64_t)x->len)
		*offset = beyond;
	if (x->len && *end > (int64_t)x->len)
		*end = beyond;
	if (*offset >= *end || *end < 0)
		*end = *offset + 1;
}

static void strip(struct py_values *v, struct excerpt *x)
{
	int64_t offset = 0, end;
	bool any = x->member[OFFSET] && val_int(v, x->member[OFFSET], &offset);
	while (x->first < x->last &&
	       (x->text[x->first] == ' ' || x->text[x->first] == '\n' || x->text[x->first] == '\f'))
		x->first++;
	x->caret = -1;
	if (!any || offset > INT32_MAX)
		return;
	end = offset + 1;
	if (x->minor >= 10)
		find_end(v, x, &offset, &end);
	x->caret = offset - 1 - (int64_t)x->first;
	x->ncarets = end - offset;
}

/* ---- text ---- */

/* As terminals show the most usual ones; traceback knows that from 3.15 on. */
static int64_t columns_of(uint32_t c)
{
	static const struct {
		uint32_t first, last;
		int64_t columns;
	} ranges[] = {
		{ 0x300, 0x36f, 0 },	 { 0x1100, 0x115f, 2 },	  { 0x200b, 0x200f, 0 },
		{ 0x2e80, 0x303e, 2 },	 { 0x3041, 0xa4cf, 2 },	  { 0xac00, 0xd7a3, 2 },
		{ 0xf900, 0xfaff, 2 },	 { 0xfe30, 0xfe6f, 2 },	  { 0xff00, 0xff60, 2 },
		{ 0xffe0, 0xffe6, 2 },	 { 0x1f300, 0x1f64f, 2 }, { 0x1f900, 0x1f9ff, 2 },
		{ 0x20000, 0x3fffd, 2 },
	};
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return ranges[i].columns;
	return 1;
}

static int64_t width(const struct excerpt *x, size_t first, size_t n)
{
	int64_t columns = 0;
	for (size_t i = first; i < first + n && i < x->last; i++)
		columns += columns_of(x->text[i]);
	return columns;
}

static void put_times(struct buf *out, char c, int64_t n)
{
	for (int64_t i = 0; i < n && i < 2 * (int64_t)TEXT_CHARS; i++)
		buf_put(out, &c, 1);
}

/* Blanks that are none of one column are kept, so that the caret is below what it marks. */
static void put_blanks(const struct excerpt *x, struct buf *out)
{
	for (size_t i = x->first; i < x->first + (size_t)x->caret && i < x->last; i++) {
		uint32_t c = x->text[i];
		put_char(out, c == '\t' || c == '\n' || is_wide_blank(c) ? c : ' ');
	}
}

static void put_carets(const struct excerpt *x, struct buf *out)
{
	int64_t n = x->ncarets;
	buf_puts(out, "    ");
	if (x->minor < 15) {
		put_blanks(x, out);
	} else {
		size_t at = x->first + (size_t)x->caret;
		put_times(out, ' ', width(x, x->first, (size_t)x->caret));
		if (at < x->last && n > 0)
			n = width(x, at, (size_t)n);
	}
	put_times(out, '^', n);
	buf_puts(out, "\n");
}

static void put_text(const struct excerpt *x, struct buf *out)
{
	buf_puts(out, "    ");
	for (size_t i = x->first; i < x->shown; i++)
		put_char(out, x->text[i]);
	buf_puts(out, "\n");
	if (x->caret >= 0)
		put_carets(x, out);
}

/* A str or what else was given in place of one, to @out. */
static struct err *put_member(struct py_values *v, uint64_t addr, const char *otherwise,
			      struct buf *out)
{
	uint32_t c;
	if (!addr || (val_is(v, addr, "str") && !val_str_at(v, addr, 0, &c))) {
		buf_puts(out, otherwise);
		return NULL;
	}
	struct buf *was = v->out;
	v->out = out;
	struct err *err = val_put_text_of(v, addr);
	v->out = was;
	return err;
}

static struct err *put_place(struct py_values *v, const struct excerpt *x, struct buf *lines,
			     struct buf *suffix)
{
	struct err *err;
	if (x->member[LINENO] || x->minor < 8) {
		buf_puts(lines, "  File \"");
		err = put_member(v, x->member[FILENAME], "<string>", lines);
		buf_puts(lines, "\", line ");
		if (!err)
			err = put_member(v, x->member[LINENO], "None", lines);
		buf_puts(lines, "\n");
		return err;
	}
	if (!x->member[FILENAME])
		return NULL;
	buf_puts(suffix, " (");
	err = put_member(v, x->member[FILENAME], "", suffix);
	buf_puts(suffix, ")");
	return err;
}

struct err *py_excerpt_put(struct py_values *v, uint64_t addr, struct buf *lines,
			   struct buf *message)
{
	struct excerpt x = { .minor = PY_MINOR(v->off->version_hex) & 0xff };
	_cleanup_buf_ struct buf suffix = { 0 };
	struct err *err = read_members(v, addr, &x);
	if (!err)
		err = put_place(v, &x, lines, &suffix);
	if (!err && x.member[TEXT])
		err = read_text(v, &x);
	if (!err && x.member[TEXT]) {
		(x.minor < 9 ? strip_old : strip)(v, &x);
		put_text(&x, lines);
	}
	if (!err)
		err = put_member(v, x.member[MSG], "<no detail available>", message);
	buf_put(message, suffix.data, suffix.len);
	message->failed |= suffix.failed;
	return err;
}
