/* SPDX-License-Identifier: MIT */
/*
 * pathlib's paths.  Their text is _str once it was asked for; before, it has to be put
 * together from what they were made of, as posixpath.join() and pathlib do it.
 * Lib/pathlib.py, from 3.13 on Lib/pathlib/.
 */
#include "qxfer/python/values_priv.h"

#include <inttypes.h>
#include <string.h>

#define CHARS_MAX    4096u
#define SEGMENTS_MAX 200u
#define BASES_MAX    20u

struct path {
	uint32_t text[CHARS_MAX];
	size_t n;
};

/* Whether it is of a class that is called @name, or inherits from one. */
static struct err *inherits(struct py_values *v, const struct py_type *t, const char *name,
			    bool *ret)
{
	uint64_t n, type;
	const struct py_type *base;
	*ret = false;
	struct err *err = val_word(v, t->mro, v->off->object.var_size, &n);
	for (uint64_t i = 0; !err && i < n && i < BASES_MAX; i++) {
		err = val_word(v, t->mro + 8 * i, v->lay.tuple.items, &type);
		if (!err)
			err = val_type(v, type, &base);
		*ret |= !err && strcmp(base->name, name) == 0;
	}
	return err;
}

/* posixpath.join() of what is there and the str at @segment. */
static struct err *join(struct py_values *v, uint64_t segment, struct path *p)
{
	uint32_t more[CHARS_MAX];
	size_t n;
	struct err *err = val_get_str(v, segment, more, CHARS_MAX, &n);
	if (err)
		return err;
	if (n && more[0] == '/')
		p->n = 0;
	else if (p->n && p->text[p->n - 1] != '/' && p->n < CHARS_MAX)
		p->text[p->n++] = '/';
	if (n > CHARS_MAX - p->n)
		return err_new(ERR_NOT_FOUND, "a path that is too long");
	memcpy(p->text + p->n, more, n * sizeof(more[0]));
	p->n += n;
	return NULL;
}

/* "//a" keeps its two slashes, any other number of them is one. */
static size_t root_length(const struct path *p)
{
	size_t n = 0;
	while (n < p->n && p->text[n] == '/')
		n++;
	return n == 2 ? 2 : n > 0;
}

/* Without empty parts and parts that are ".". */
static void normalise(struct path *p)
{
	size_t root = root_length(p), to = root, i = root;
	while (i < p->n) {
		size_t end = i;
		while (end < p->n && p->text[end] != '/')
			end++;
		size_t len = end - i;
		if (len && !(len == 1 && p->text[i] == '.')) {
			if (to > root)
				p->text[to++] = '/';
			memmove(p->text + to, p->text + i, len * sizeof(p->text[0]));
			to += len;
		}
		i = end + 1;
	}
	if (!to)
		p->text[to++] = '.';
	p->n = to;
}

/* 3.12 on keep the arguments, 3.11 and before the parts; both can be joined. */
static struct err *put_together(struct py_values *v, uint64_t addr, const struct py_type *t,
				struct path *p)
{
	uint64_t list, n, items, segment;
	bool old = PY_MINOR(v->off->version_hex) < 0x030c;
	struct err *err = val_need_attr(v, addr, t, old ? "_parts" : "_raw_paths", &list);
	if (!err && !val_is(v, list, "list"))
		err = err_new(ERR_NOT_FOUND, "a path of other parts");
	if (!err)
		err = val_word(v, list, v->off->object.var_size, &n);
	if (!err)
		err = val_word(v, list, v->lay.list.items, &items);
	if (!err && n > SEGMENTS_MAX)
		err = err_new(ERR_NOT_FOUND, "a path of %" PRIu64 " parts", n);
	for (uint64_t i = 0; !err && i < n; i++) {
		err = val_word(v, items + 8 * i, 0, &segment);
		if (!err)
			err = join(v, segment, p);
	}
	if (!err)
		normalise(p);
	return err;
}

static struct err *put_path(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t str;
	bool windows;
	struct path p;
	p.n = 0;
	struct err *err = inherits(v, t, "PureWindowsPath", &windows);
	if (!err)
		err = val_attr(v, addr, t, "_str", &str);
	if (err)
		return err;
	if (str)
		err = val_get_str(v, str, p.text, CHARS_MAX, &p.n);
	else if (windows)
		err = err_new(ERR_NOT_FOUND, "a path of Windows' that was not put together yet");
	else
		err = put_together(v, addr, t, &p);
	if (err)
		return err;
	for (size_t i = 0; windows && i < p.n; i++)
		if (p.text[i] == '\\')
			p.text[i] = '/';
	buf_puts(v->out, t->name);
	buf_puts(v->out, "(");
	val_put_quoted(v, p.text, p.n);
	buf_puts(v->out, ")");
	return NULL;
}

struct err *val_show_path(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	size_t start = v->out->len;
	return val_instead(v, addr, t, start, put_path(v, addr, t));
}
