/* SPDX-License-Identifier: MIT */
#include "qxfer/python_quotes.h"

#include <stdlib.h>
#include <string.h>

void py_quotes_deinit(struct py_quotes *l)
{
	free(l->line);
	arena_deinit(&l->arena);
	*l = (struct py_quotes){ 0 };
}

/* The text's own copy of a file's name; NULL: too many of them, or no memory. */
static const char *keep_file(struct py_quotes *l, const char *file)
{
	if (l->last && strcmp(l->last, file) == 0)
		return l->last;
	for (size_t i = 0; i < l->nfiles; i++)
		if (strcmp(l->file[i], file) == 0)
			return l->last = l->file[i];
	if (l->nfiles == PY_QUOTE_FILES)
		return NULL;
	const char *kept = arena_strdup(&l->arena, file, strlen(file));
	l->failed |= !kept;
	if (kept)
		l->last = l->file[l->nfiles++] = kept;
	return kept;
}

static bool make_room(struct py_quotes *l)
{
	if (l->n < l->cap)
		return true;
	size_t cap = l->cap ? l->cap * 2 : 64;
	struct py_quote *line = reallocarray(l->line, cap, sizeof(*line));
	l->failed |= !line;
	if (!line)
		return false;
	l->line = line;
	l->cap = cap;
	return true;
}

void py_quotes_want(struct py_quotes *l, const struct buf *out, const char *file, int32_t number,
		    const char *text)
{
	if (!l || number <= 0 || !make_room(l))
		return;
	struct py_quote line = {
		.at = out->len, .file = keep_file(l, file), .number = number, .margin = l->margin
	};
	if (!line.file)
		return;
	if (text) {
		line.text = arena_strdup(&l->arena, text, strlen(text));
		l->failed |= !line.text;
	}
	l->line[l->n++] = line;
}

static void put_line(const struct py_quote *line, const struct py_quote_source *source,
		     struct buf *out)
{
	size_t start = out->len, text;
	if (line->margin)
		buf_printf(out, "%*s| ", (int)line->margin, "");
	buf_puts(out, "    ");
	text = out->len;
	if (line->text)
		buf_puts(out, line->text);
	else if (!source->line(source->ctx, line->file, line->number, out))
		out->len = text;
	if (out->len == text)
		out->len = start;
	else
		buf_puts(out, "\n");
}

void py_quotes_put(const struct py_quotes *l, const struct buf *text,
		   const struct py_quote_source *source, struct buf *out)
{
	size_t at = 0;
	for (size_t i = 0; i < l->n; i++) {
		if (l->line[i].at < at || l->line[i].at > text->len)
			continue; /* the text was cut after it was asked for */
		buf_put(out, text->data + at, l->line[i].at - at);
		at = l->line[i].at;
		put_line(&l->line[i], source, out);
	}
	buf_put(out, text->data + at, text->len - at);
	out->failed |= text->failed || l->failed;
}
