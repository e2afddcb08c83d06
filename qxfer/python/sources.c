/* SPDX-License-Identifier: MIT */
#include "qxfer/python/sources.h"

#include "qxfer/python/text.h"
#include "qxfer/python/values_priv.h"

#define FIND_READS 50000u
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

static void put_stripped(const uint32_t *text, size_t n, struct buf *out)
{
	while (n && is_blank(text[n - 1]))
		n--;
	for (; n && is_blank(*text); n--)
		text++;
	for (size_t i = 0; i < n; i++)
		if (text[i] == '\t')
			buf_puts(out, "\t");
		else
			py_text_put(out, text[i]);
}

static struct err *put_line(struct py_values *v, const char *file, int32_t number, struct buf *out,
			    bool *found)
{
	uint64_t lines, n = 0, items = 0, line = 0;
	uint32_t text[LINE_CHARS];
	size_t len = 0;
	struct err *err = find_lines(v, file, &lines);
	if (err || !val_is(v, lines, "list"))
		return err;
	err = val_word(v, lines, v->off->object.var_size, &n);
	if (err || number < 1 || (uint64_t)number > n)
		return err;
	err = val_word(v, lines, v->lay.list.items, &items);
	if (!err)
		err = val_word(v, items + 8 * ((uint64_t)number - 1), 0, &line);
	if (err || !val_is(v, line, "str"))
		return err;
	err = val_get_str(v, line, text, LINE_CHARS, &len);
	if (err)
		return err;
	put_stripped(text, len, out);
	*found = true;
	return NULL;
}

bool py_source_line(struct py_values *v, const char *file, int32_t number, struct buf *out)
{
	bool found = false;
	v->reads = FIND_READS;
	struct err *err = put_line(v, file, number, out, &found);
	err_drop(err);
	return !err && found;
}
