/* SPDX-License-Identifier: MIT */
#include "qxfer/python/text.h"

#include <string.h>

/* A str longer than this is taken for garbage: no memory could hold it. */
#define LENGTH_MAX (1ull << 40)

/* struct PyASCIIObject.state from the kind's first bit on, in every build from 3.6 on. */
#define STATE_KIND(s)	 ((s)&7)
#define STATE_COMPACT(s) ((s) >> 3 & 1)
#define STATE_ASCII(s)	 ((s) >> 4 & 1)
#define STATE_READY(s)	 ((s) >> 5 & 1) /* to 3.11 */

static bool is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x7f;
}

static void put_escape(struct buf *out, uint32_t c)
{
	switch (c) {
	case '\n':
		buf_puts(out, "\\n");
		break;
	case '\r':
		buf_puts(out, "\\r");
		break;
	case '\t':
		buf_puts(out, "\\t");
		break;
	default:
		buf_printf(out, c < 0x100 ? "\\x%02x" : "\\u%04x", c);
	}
}

static bool needs_escape(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c < 0xe000) || c == 0xfffe ||
	       c == 0xffff;
}

void py_text_put(struct buf *out, uint32_t c)
{
	uint8_t b[4];
	size_t n;

	if (needs_escape(c)) {
		put_escape(out, c);
		return;
	}
	if (c > 0x10ffff)
		c = 0xfffd;
	if (c < 0x80) {
		b[0] = (uint8_t)c;
		n = 1;
	} else if (c < 0x800) {
		b[0] = (uint8_t)(0xc0 | c >> 6);
		n = 2;
	} else if (c < 0x10000) {
		b[0] = (uint8_t)(0xe0 | c >> 12);
		n = 3;
	} else {
		b[0] = (uint8_t)(0xf0 | c >> 18);
		n = 4;
	}
	for (size_t i = 1; i < n; i++)
		b[i] = (uint8_t)(0x80 | (c >> 6 * (n - 1 - i) & 0x3f));
	buf_put(out, b, n);
}

/* The length of the UTF-8 sequence at @p and its value, or 0 if it is not one. */
static size_t utf8_decode(const uint8_t *p, size_t len, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = p[0] < 0x80		   ? 1
		   : (p[0] & 0xe0) == 0xc0 ? 2
		   : (p[0] & 0xf0) == 0xe0 ? 3
		   : (p[0] & 0xf8) == 0xf0 ? 4
					   : 0;
	if (!n || n > len)
		return 0;
	uint32_t c = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return n;
}

void py_text_put_bytes(struct buf *out, const uint8_t *bytes, size_t len)
{
	while (len) {
		size_t plain = 0;
		while (plain < len && is_plain(bytes[plain]))
			plain++;
		buf_put(out, bytes, plain);
		bytes += plain;
		len -= plain;
		if (!len)
			break;
		uint32_t c;
		size_t n = utf8_decode(bytes, len, &c);
		if (n)
			py_text_put(out, c);
		else
			buf_printf(out, "\\x%02x", *bytes);
		bytes += n ? n : 1;
		len -= n ? n : 1;
	}
}

static uint32_t unit_at(const uint8_t *units, size_t i, unsigned int kind)
{
	if (kind == 1)
		return units[i];
	if (kind == 2) {
		uint16_t v;
		memcpy(&v, units + 2 * i, sizeof(v));
		return v;
	}
	uint32_t v;
	memcpy(&v, units + 4 * i, sizeof(v));
	return v;
}

static void put_units(struct buf *out, const uint8_t *units, size_t n, unsigned int kind)
{
	for (size_t i = 0; i < n;) {
		size_t plain = i;
		while (kind == 1 && plain < n && is_plain(units[plain]))
			plain++;
		buf_put(out, units + i, plain - i);
		i = plain;
		if (i < n)
			py_text_put(out, unit_at(units, i++, kind));
	}
}

static struct err *put_foreign_units(struct mem *m, uint64_t addr, size_t n, unsigned int kind,
				     struct buf *out)
{
	uint8_t units[1024];
	while (n) {
		size_t now = sizeof(units) / kind < n ? sizeof(units) / kind : n;
		struct err *err = mem_read(m, addr, units, now * kind);
		if (err)
			return err;
		put_units(out, units, now, kind);
		addr += now * kind;
		n -= now;
	}
	return NULL;
}

/* To 3.11: one that C code made of wchar_t's and nobody looked at yet. */
static struct err *find_wide(struct mem *m, const struct py_offsets *off, uint64_t addr,
			     struct py_units *ret)
{
	*ret = (struct py_units){ .kind = sizeof(uint32_t) };
	struct err *err = mem_ptr(m, addr + off->str.wstr, &ret->data);
	if (!err)
		err = mem_ptr(m, addr + off->str.wstr_length, &ret->length);
	if (!err && (!ret->data || ret->length > LENGTH_MAX))
		err = err_new(ERR_BAD_DATA, "no str object at 0x%llx", (unsigned long long)addr);
	return err;
}

struct err *py_text_find(struct mem *m, const struct py_offsets *off, uint64_t addr,
			 struct py_units *ret)
{
	struct obj o;
	struct err *err = obj_load(m, addr, off->str.ascii_size, &o);
	if (err)
		return err;
	uint64_t length = obj_uint(&o, off->str.length, 8);
	uint32_t state = (uint32_t)obj_uint(&o, off->str.state, 4) >> (off->str_kind & 31);
	unsigned int kind = STATE_KIND(state);
	bool ascii = STATE_ASCII(state), compact = STATE_COMPACT(state);
	if (!o.bad && !STATE_READY(state) && off->str.wstr != PY_NONE)
		return find_wide(m, off, addr, ret);
	if (o.bad || length > LENGTH_MAX || (kind != 1 && kind != 2 && kind != 4) ||
	    (ascii && kind != 1))
		return err_new(ERR_BAD_DATA, "no str object at 0x%llx", (unsigned long long)addr);

	uint64_t data = addr + (ascii ? off->str.ascii_size : off->str.compact_size);
	if (!compact) { /* its characters lie elsewhere: PyUnicodeObject.data */
		err = mem_ptr(m, addr + off->str.compact_size, &data);
		if (err)
			return err;
	}
	*ret = (struct py_units){ data, length, kind, ascii };
	return NULL;
}

struct err *py_text_str(struct mem *m, const struct py_offsets *off, uint64_t addr, size_t max,
			struct buf *out)
{
	struct py_units u;
	struct err *err = py_text_find(m, off, addr, &u);
	if (!err)
		err = put_foreign_units(m, u.data, u.length < max ? u.length : max, u.kind, out);
	if (!err && u.length > max)
		buf_puts(out, "...");
	return err;
}

struct err *py_text_cstr(struct mem *m, uint64_t addr, size_t max, struct buf *out)
{
	uint8_t part[64];
	while (max) {
		size_t want = max < sizeof(part) ? max : sizeof(part);
		size_t n = mem_read_some(m, addr, part, want);
		const uint8_t *nul = memchr(part, 0, n);
		py_text_put_bytes(out, part, nul ? (size_t)(nul - part) : n);
		if (nul)
			return NULL;
		if (n < want)
			return mem_read(m, addr + n, part, 1); /* names the fault */
		addr += n;
		max -= n;
	}
	buf_puts(out, "...");
	return NULL;
}
