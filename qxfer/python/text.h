/* SPDX-License-Identifier: MIT */
/*
 * Python's str and bytes objects, and C strings, as UTF-8 fit for a terminal, an
 * XML document and JSON.
 *
 * The result is always valid UTF-8.  What cannot be shown is written as Python's
 * repr() would: control characters as \n or \x1b, lone surrogates as \udc80,
 * and the two code points XML has no place for as \ufffe and \uffff.  A
 * backslash itself stays as it is.  Values beyond U+10FFFF become U+FFFD.
 * Unicode layout: CPython Include/cpython/unicodeobject.h, 3.6 to 3.15.
 */
#ifndef QXFER_PYTHON_TEXT_H
#define QXFER_PYTHON_TEXT_H

#include "qxfer/python/offsets.h"
#include "stub/base/buf.h"
#include "stub/base/mem.h"

/* Appends one code point, escaped if need be. */
void py_text_put(struct buf *out, uint32_t code_point);

/* Appends bytes that ought to be UTF-8; what is not appears as \x80. */
void py_text_put_bytes(struct buf *out, const uint8_t *bytes, size_t len);

/*
 * Appends the str object at @addr, at most @max of its characters and "..." if
 * there are more.  On error @out may hold a part of it.
 */
struct err *py_text_str(struct mem *m, const struct py_offsets *off, uint64_t addr, size_t max,
			struct buf *out) MUST_CHECK;

/* Where the characters of a str object are. */
struct py_units {
	uint64_t data, length; /* length: in characters */
	unsigned int kind;     /* bytes of each: 1, 2 or 4 */
	bool ascii;
};

struct err *py_text_find(struct mem *m, const struct py_offsets *off, uint64_t addr,
			 struct py_units *ret) MUST_CHECK;

/* Appends the NUL-terminated string at @addr, at most @max bytes of it. */
struct err *py_text_cstr(struct mem *m, uint64_t addr, size_t max, struct buf *out) MUST_CHECK;

#endif
