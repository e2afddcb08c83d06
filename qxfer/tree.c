/* SPDX-License-Identifier: MIT */
#include "qxfer/tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Whether it stands for itself in both, and is ASCII. */
static bool is_plain(unsigned char c)
{
	static const bool special[128] = {
		['&'] = true, ['<'] = true,  ['>'] = true,
		['"'] = true, ['\''] = true, ['\\'] = true,
	};
	return c >= ' ' && c < 0x7f && !special[c];
}

/* The character at @p in a JSON string or in XML; bytes that neither can have are U+FFFD. */
static size_t put_special(const struct tree *t, const unsigned char *p)
{
	static const char *const xml[128] = {
		['&'] = "&amp;",   ['<'] = "&lt;",  ['>'] = "&gt;",   ['"'] = "&quot;",
		['\''] = "&apos;", ['\t'] = "&#9;", ['\n'] = "&#10;", ['\r'] = "&#13;",
	};
	size_t n = buf_utf8_len(p);
	if (t->json && (*p < ' ' || *p == 0x7f))
		buf_printf(t->out, "\\u%04x", *p);
	else if (t->json && (*p == '"' || *p == '\\'))
		buf_printf(t->out, "\\%c", *p);
	else if (!t->json && n == 1 && xml[*p])
		buf_puts(t->out, xml[*p]);
	else if (!n || *p < ' ')
		buf_puts(t->out, "\xef\xbf\xbd");
	else
		buf_put(t->out, p, n);
	return n ? n : 1;
}

/* What comes here is fit for both already (python/text.h); if it is not, it harms nothing else. */
static void put_escaped(struct tree *t, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	while (*p) {
		size_t plain = 0;
		while (is_plain(p[plain]))
			plain++;
		buf_put(t->out, p, plain);
		p += plain;
		if (*p)
			p += put_special(t, p);
	}
}

static void finish_tag(struct tree *t)
{
	if (t->tag_open)
		buf_puts(t->out, ">\n");
	t->tag_open = false;
}

static void separate(struct tree *t)
{
	if (t->comma)
		buf_put(t->out, ",", 1);
	t->comma = true;
}

static void put_field(struct tree *t, const char *field)
{
	if (t->json) {
		separate(t);
		buf_put(t->out, "\"", 1);
		buf_puts(t->out, field);
		buf_put(t->out, "\":", 2);
	} else {
		buf_put(t->out, " ", 1);
		buf_puts(t->out, field);
		buf_put(t->out, "=", 1);
	}
}

void tree_begin(struct tree *t, struct buf *out, bool json, const char *dtd)
{
	*t = (struct tree){ .out = out, .json = json };
	if (json)
		return;
	buf_puts(out, "<?xml version=\"1.0\"?>\n<!DOCTYPE ");
	buf_puts(out, dtd);
	buf_puts(out, ">\n");
}

void tree_end(struct tree *t)
{
	if (t->json)
		buf_put(t->out, "\n", 1);
}

void tree_open(struct tree *t, const char *element)
{
	if (t->json) {
		separate(t);
		buf_put(t->out, "{", 1);
		t->comma = false;
	} else {
		finish_tag(t);
		buf_put(t->out, "<", 1);
		buf_puts(t->out, element);
		t->tag_open = true;
	}
	if (t->depth < TREE_DEPTH_MAX)
		t->element[t->depth] = element;
	t->depth++;
}

void tree_close(struct tree *t)
{
	t->depth--;
	if (t->json) {
		buf_put(t->out, "}", 1);
		t->comma = true;
	} else if (t->tag_open) {
		buf_put(t->out, "/>\n", 3);
		t->tag_open = false;
	} else if (t->depth < TREE_DEPTH_MAX) {
		buf_put(t->out, "</", 2);
		buf_puts(t->out, t->element[t->depth]);
		buf_put(t->out, ">\n", 2);
	}
}

void tree_list(struct tree *t, const char *name)
{
	if (!t->json)
		return;
	put_field(t, name);
	buf_put(t->out, "[", 1);
	t->comma = false;
}

void tree_list_end(struct tree *t)
{
	if (!t->json)
		return;
	buf_put(t->out, "]", 1);
	t->comma = true;
}

void tree_text(struct tree *t, const char *field, const char *value)
{
	put_field(t, field);
	buf_put(t->out, "\"", 1);
	put_escaped(t, value);
	buf_put(t->out, "\"", 1);
}

void tree_int(struct tree *t, const char *field, int64_t value)
{
	char text[32];
	int n = snprintf(text, sizeof(text), t->json ? "%" PRId64 : "\"%" PRId64 "\"", value);
	put_field(t, field);
	buf_put(t->out, text, (size_t)n);
}

void tree_address(struct tree *t, const char *field, uint64_t value)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "\"0x%" PRIx64 "\"", value);
	put_field(t, field);
	buf_put(t->out, text, (size_t)n);
}

void tree_flag(struct tree *t, const char *field, bool value)
{
	if (!t->json && !value)
		return;
	put_field(t, field);
	if (t->json)
		buf_puts(t->out, value ? "true" : "false");
	else
		buf_puts(t->out, "\"yes\"");
}

void tree_corrupt(struct tree *t, const char *why)
{
	if (!why)
		return;
	if (t->json) {
		tree_text(t, "corrupt", why);
		return;
	}
	tree_open(t, "corrupt");
	tree_text(t, "reason", why);
	tree_close(t);
}

struct err *tree_form(const char *object, const char *annex, bool *json)
{
	bool wants_json = strcmp(annex, ";format=json") == 0;

	if (*annex && !wants_json && strcmp(annex, ";format=xml") != 0)
		return err_new(ERR_PROTO, "%s: unknown annex %.40s", object, annex);
	*json = wants_json;
	return NULL;
}
