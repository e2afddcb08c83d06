/* SPDX-License-Identifier: MIT */
#include "qxfer/python/sources.h"

#include "qxfer/python/text.h"
#include "qxfer/python/values_priv.h"

#define FIND_READS 50000u
#define LINE_READS 100u
#define LINE_CHARS 1000u

/* The list of lines, 0: there is none. */
static struct err *find_lines(struct py_values *v, const char *file, uint64_t *ret)
{
	uint64_t module = 0, dict, cache = 0, entry = 0, n = 0;
	*ret = 0;
	struct err *err = val_dict_find(v, val_modules(v), "linecache", &module);
	if (err || !val_is(v, module, "module"))
		return err;
	err = val_word(v, module, v->lay.module.dict, &dict);
	if (!err)
		err = val_dict_find(v, dict, "cache", &cache);
	if (err || !val_is(v, cache, "dict"))
		return err;
	err = val_dict_find(v, cache, file, &entry);
	if (err || !val_is(v, entry, "tuple"))
		return err;
	err = val_word(v, entry, v->off->object.var_size, &n);
	/* One that is not read yet has a single item. */
	return err || n < 3 ? err : val_word(v, entry + 16, v->lay.tuple.items, ret);
}

static bool is_blank(uint32_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void put_text(const uint32_t *text, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		if (text[i] == '\t')
			buf_puts(out, "\t");
		else
			py_text_put(out, text[i]);
}

static void put_stripped(const uint32_t *text, size_t n, struct buf *out)
{
	while (n && is_blank(text[n - 1]))
		n--;
	for (; n && is_blank(*text); n--)
		text++;
	put_text(text, n, out);
}

static void put_whole(const uint32_t *text, size_t n, struct buf *out)
{
	while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	put_text(text, n, out);
}

bool py_source_open(struct py_values *v, const char *file, struct py_source *ret)
{
	*ret = (struct py_source){ .v = v };
	v->reads = FIND_READS;
	struct err *err = find_lines(v, file, &ret->lines);
	bool found = !err && val_is(v, ret->lines, "list");
	if (found)
		err = val_word(v, ret->lines, v->off->object.var_size, &ret->n);
	found = found && !err;
	err_drop(err);
	return found;
}

bool py_source_put(const struct py_source *s, int64_t number, bool whole, struct buf *out)
{
	struct py_values *v = s->v;
	uint64_t items, line;
	uint32_t text[LINE_CHARS];
	size_t len;
	if (number < 1 || (uint64_t)number > s->n)
		return false;
	v->reads = LINE_READS;
	struct err *err = val_word(v, s->lines, v->lay.list.items, &items);
	if (!err)
		err = val_word(v, items + 8 * ((uint64_t)number - 1), 0, &line);
	bool found = !err && val_is(v, line, "str");
	if (found)
		err = val_get_str(v, line, text, LINE_CHARS, &len);
	found = found && !err;
	err_drop(err);
	if (found)
		(whole ? put_whole : put_stripped)(text, len, out);
	return found;
}
