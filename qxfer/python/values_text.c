/* SPDX-License-Identifier: MIT */
/*
 * str, bytes and bytearray, quoted and escaped as unicode_repr() and
 * bytes_repr() do it.  Objects/unicodeobject.c, Objects/bytesobject.c.
 */
#include "qxfer/python/values_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python/text.h"

#define LENGTH_MAX (1ull << 40)
#define NAMES_MAX  1024u

struct units {
	uint8_t *data;
	size_t n; /* characters in data */
	uint64_t length;
	unsigned int kind;
};

static struct err *find_units(struct py_values *v, uint64_t addr, struct units *u, uint64_t *data)
{
	struct py_units found;
	if (!v->reads)
		return err_new(ERR_BAD_DATA, "more reads than are allowed for one value");
	v->reads--;
	struct err *err = py_text_find(v->mem, v->off, addr, &found);
	if (err)
		return err;
	*data = found.data;
	u->length = found.length;
	u->kind = found.kind;
	return NULL;
}

/* Reads at most @max characters from @first on; u->data is to be freed. */
static struct err *read_units(struct py_values *v, uint64_t addr, uint64_t first, size_t max,
			      struct units *u)
{
	uint64_t data;
	*u = (struct units){ 0 };
	struct err *err = find_units(v, addr, u, &data);
	if (err)
		return err;
	if (first > u->length)
		return err_new(ERR_BAD_DATA, "no such part of the str at 0x%" PRIx64, addr);
	u->length -= first;
	data += first * u->kind;
	u->n = u->length < max ? u->length : max;
	u->data = malloc(u->n * u->kind + 1);
	return u->data ? val_read(v, data, u->data, u->n * u->kind) : &err_nomem;
}

static uint32_t unit_at(const struct units *u, size_t i)
{
	uint32_t c = 0;
	memcpy(&c, u->data + i * u->kind, u->kind);
	return c;
}

static bool is_printable(uint32_t c)
{
	size_t lo = 0, hi = py_nunprintable;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (c > py_unprintable[mid].last)
			lo = mid + 1;
		else if (c < py_unprintable[mid].first)
			hi = mid;
		else
			return false;
	}
	return c <= 0x10ffff;
}

static void put_escape(struct buf *out, uint32_t c)
{
	static const char *const shorts[128] = {
		['\n'] = "\\n", ['\r'] = "\\r", ['\t'] = "\\t", ['\\'] = "\\\\"
	};
	if (c < 128 && shorts[c])
		buf_puts(out, shorts[c]);
	else
		buf_printf(out, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
}

/* A string with ' but no " is quoted with the latter. */
static char quote_of(const struct units *u)
{
	bool single = false, dbl = false;
	for (size_t i = 0; i < u->n; i++) {
		single |= unit_at(u, i) == '\'';
		dbl |= unit_at(u, i) == '"';
	}
	return single && !dbl ? '"' : '\'';
}

enum texts { TEXT_STR, TEXT_BYTES, TEXT_BYTEARRAY };

static void put_quoted(struct py_values *v, const struct units *u, enum texts what)
{
	struct buf *out = v->out;
	char quote = quote_of(u);
	/* Up to 3.14 bytearray_repr() escapes this one always, and no other. */
	char escaped = quote;
	if (what == TEXT_BYTEARRAY && v->lay.quote_escaped)
		escaped = '\'';
	buf_put(out, &quote, 1);
	for (size_t i = 0; i < u->n; i++) {
		uint32_t c = unit_at(u, i);
		if (c == (uint32_t)escaped) {
			buf_put(out, "\\", 1);
			buf_put(out, &escaped, 1);
		} else if (c == '\\' || !is_printable(c) || (what != TEXT_STR && c >= 0x7f)) {
			put_escape(out, c);
		} else {
			py_text_put(out, c);
		}
	}
	buf_put(out, &quote, 1);
	if (u->n < u->length)
		buf_puts(out, "...");
}

struct err *val_show_str(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	struct units u;
	(void)t;
	struct err *err = read_units(v, addr, 0, v->limits.chars, &u);
	if (!err)
		put_quoted(v, &u, TEXT_STR);
	free(u.data);
	return err;
}

static struct err *put_lines(struct py_values *v, uint64_t addr)
{
	struct units u = { 0 };
	struct err *err = read_units(v, addr, 0, NAMES_MAX, &u);
	for (size_t i = 0; !err && i < u.n; i++) {
		uint32_t c = unit_at(&u, i);
		if (c == '\n' || c == '\t')
			buf_put(v->out, c == '\n' ? "\n" : "\t", 1);
		else
			py_text_put(v->out, c);
	}
	if (!err && u.length > u.n)
		buf_puts(v->out, "...");
	free(u.data);
	return err;
}

struct err *val_put_str(struct py_values *v, uint64_t addr)
{
	if (!addr || addr % 8)
		return err_new(ERR_BAD_DATA, "no str object at 0x%" PRIx64, addr);
	if (v->lines)
		return put_lines(v, addr);
	if (v->reads)
		v->reads--;
	return py_text_str(v->mem, v->off, addr, NAMES_MAX, v->out);
}

static bool is_ascii(const char *text)
{
	while (*text && !((unsigned char)*text & 0x80))
		text++;
	return !*text;
}

/* The same of any text; few names are not ASCII. */
static bool is_utf8(struct py_values *v, uint64_t addr, const char *text)
{
	_cleanup_buf_ struct buf b = { 0 };
	size_t len = strlen(text);
	if (!v->reads)
		return false;
	v->reads--;
	struct err *err = py_text_str(v->mem, v->off, addr, NAMES_MAX, &b);
	bool same = !err && !b.failed && b.len == len && memcmp(b.data, text, len) == 0;
	err_drop(err);
	return same;
}

bool val_str_is(struct py_values *v, uint64_t addr, const char *text)
{
	struct obj o;
	struct py_units u;
	size_t len = strlen(text);
	if (addr && addr % 8 == 0 && !is_ascii(text))
		return is_utf8(v, addr, text);
	if (!addr || addr % 8 || len > sizeof(o.data))
		return false;
	if (!v->reads)
		return false;
	v->reads--;
	struct err *err = py_text_find(v->mem, v->off, addr, &u);
	bool same = !err && u.ascii && u.length == len;
	err_drop(err);
	if (!same)
		return false;
	err = val_load(v, u.data, len, &o);
	same = !err && memcmp(o.data, text, len) == 0;
	err_drop(err);
	return same;
}

bool val_str_at(struct py_values *v, uint64_t addr, int64_t i, uint32_t *ret)
{
	struct units u = { 0 };
	uint64_t data;
	if (!val_is(v, addr, "str"))
		return false;
	struct err *err = find_units(v, addr, &u, &data);
	bool has = !err && i >= 0 && (uint64_t)i < u.length;
	*ret = 0;
	if (has)
		err = val_read(v, data + (uint64_t)i * u.kind, ret, u.kind);
	has = has && !err;
	err_drop(err);
	return has;
}

/* ---- bytes ---- */

static struct err *put_bytes(struct py_values *v, uint64_t data, uint64_t len, enum texts what)
{
	struct units u = { .length = len, .kind = 1 };
	if (len > LENGTH_MAX)
		return err_new(ERR_BAD_DATA, "no bytes at 0x%" PRIx64, data);
	u.n = len < v->limits.chars ? len : v->limits.chars;
	u.data = malloc(u.n + 1);
	struct err *err = u.data ? val_read(v, data, u.data, u.n) : &err_nomem;
	if (!err) {
		buf_puts(v->out, "b");
		put_quoted(v, &u, what);
	}
	free(u.data);
	return err;
}

struct err *val_show_bytes(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t len;
	(void)t;
	struct err *err = val_word(v, addr, v->off->bytes.size, &len);
	return err ? err : put_bytes(v, addr + v->off->bytes.data, len, TEXT_BYTES);
}

struct err *val_show_bytearray(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t len, start = 0;
	struct err *err = val_word(v, addr, v->off->object.var_size, &len);
	if (!err && len)
		err = val_word(v, addr, v->lay.bytearray.start, &start);
	if (err)
		return err;
	buf_puts(v->out, v->lay.plain_names ? "bytearray" : t->name);
	buf_puts(v->out, "(");
	err = put_bytes(v, start, len, TEXT_BYTEARRAY);
	buf_puts(v->out, ")");
	return err;
}

/* ---- parts and other memory ---- */

static struct err *put_str_slice(struct py_values *v, uint64_t addr, uint64_t first, uint64_t n)
{
	struct units u;
	struct err *err = read_units(v, addr, first, n, &u);
	if (!err && u.n < n)
		err = err_new(ERR_BAD_DATA, "no such part of the str at 0x%" PRIx64, addr);
	u.length = u.n;
	if (!err)
		put_quoted(v, &u, TEXT_STR);
	free(u.data);
	return err;
}

static struct err *put_bytes_slice(struct py_values *v, uint64_t addr, uint64_t first, uint64_t n)
{
	uint64_t len;
	struct units u = { .n = n, .length = n, .kind = 1 };
	struct err *err = val_word(v, addr, v->off->bytes.size, &len);
	if (!err && (first > len || n > len - first))
		err = err_new(ERR_BAD_DATA, "no such part of the bytes at 0x%" PRIx64, addr);
	if (err)
		return err;
	u.data = malloc(n + 1);
	err = u.data ? val_read(v, addr + v->off->bytes.data + first, u.data, n) : &err_nomem;
	if (!err) {
		buf_puts(v->out, "b");
		put_quoted(v, &u, TEXT_BYTES);
	}
	free(u.data);
	return err;
}

bool val_put_slice(struct py_values *v, uint64_t addr, uint64_t first, uint64_t n, struct err **ret)
{
	*ret = NULL;
	if (val_is(v, addr, "str"))
		*ret = put_str_slice(v, addr, first, n);
	else if (val_is(v, addr, "bytes"))
		*ret = put_bytes_slice(v, addr, first, n);
	else
		return false;
	return true;
}

struct err *val_get_str(struct py_values *v, uint64_t addr, uint32_t *text, size_t room, size_t *n)
{
	struct units u = { 0 };
	if (!val_is(v, addr, "str"))
		return err_new(ERR_BAD_DATA, "no str object at 0x%" PRIx64, addr);
	struct err *err = read_units(v, addr, 0, room, &u);
	if (!err && u.length > room)
		err = err_new(ERR_NOT_FOUND, "a str of %" PRIu64 " characters", u.length);
	for (size_t i = 0; !err && i < u.n; i++)
		text[i] = unit_at(&u, i);
	*n = u.n;
	free(u.data);
	return err;
}

struct err *val_put_units(struct py_values *v, uint64_t data, uint64_t n)
{
	struct units u = { .length = n, .kind = 4 };
	u.n = n < v->limits.chars ? n : v->limits.chars;
	u.data = malloc(u.n * u.kind + 1);
	struct err *err = u.data ? val_read(v, data, u.data, u.n * u.kind) : &err_nomem;
	if (!err)
		put_quoted(v, &u, TEXT_STR);
	free(u.data);
	return err;
}

void val_put_quoted(struct py_values *v, const uint32_t *text, size_t n)
{
	struct units u = { .data = (uint8_t *)(uintptr_t)text, .n = n, .length = n, .kind = 4 };
	put_quoted(v, &u, TEXT_STR);
}

void val_put_byte_string(struct py_values *v, const uint32_t *text, size_t n)
{
	struct units u = { .data = (uint8_t *)(uintptr_t)text, .n = n, .length = n, .kind = 4 };
	buf_puts(v->out, "b");
	put_quoted(v, &u, TEXT_BYTES);
}

struct err *val_get_part(struct py_values *v, uint64_t addr, uint64_t first, size_t n,
			 uint32_t *ret)
{
	struct units u = { 0 };
	if (!val_is(v, addr, "str"))
		return err_new(ERR_BAD_DATA, "no str object at 0x%" PRIx64, addr);
	struct err *err = read_units(v, addr, first, n, &u);
	if (!err && u.n < n)
		err = err_new(ERR_BAD_DATA, "a str of %" PRIu64 " characters", u.length);
	for (size_t i = 0; !err && i < n; i++)
		ret[i] = unit_at(&u, i);
	free(u.data);
	return err;
}
