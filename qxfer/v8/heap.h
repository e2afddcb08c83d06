/* SPDX-License-Identifier: MIT */
/*
 * Objects of V8's heap: tagged words, instance types, strings.
 *
 * A tagged word is a small integer (Smi) in its upper half, or an address plus 1
 * (include/v8-internal.h).  While garbage is collected an object's map may be replaced by
 * the address it moved to, which is followed.
 */
#ifndef QXFER_V8_HEAP_H
#define QXFER_V8_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#include "qxfer/v8/layout.h"
#include "stub/base/buf.h"
#include "stub/base/mem.h"

#define HEAP_WORD	8u
/* Of one string: pieces of concatenations that are looked at. */
#define HEAP_PIECES_MAX 65536u

struct v8_heap {
	struct mem *mem;
	const struct v8_layout *layout;
};

/* Whether a word can be a reference to an object. */
bool heap_is_object(uint64_t word);
bool heap_is_smi(uint64_t word);
int32_t heap_smi(uint64_t word);

/* The word at @addr; false: it cannot be read. */
bool heap_read(const struct v8_heap *h, uint64_t addr, uint64_t *ret);
/* A field of an object. */
bool heap_field(const struct v8_heap *h, uint64_t object, int offset, uint64_t *ret);
bool heap_field_smi(const struct v8_heap *h, uint64_t object, int offset, int32_t *ret);

/* Instance type; -1: it is no object, or cannot be read.  *object: where it is now. */
int heap_type(const struct v8_heap *h, uint64_t *object);
bool heap_is(const struct v8_heap *h, uint64_t *object, enum v8_value type);
bool heap_is_function(const struct v8_heap *h, uint64_t *object);
bool heap_is_string(const struct v8_heap *h, uint64_t *object);

/* An array's number of elements, bytes for a byte array; -1: not to be had. */
int32_t heap_length(const struct v8_heap *h, uint64_t array);
bool heap_element(const struct v8_heap *h, uint64_t array, uint32_t index, uint64_t *ret);
/* Appends the bytes of a byte array of @max bytes at most. */
bool heap_bytes(const struct v8_heap *h, uint64_t array, uint32_t max, struct buf *out);

/*
 * Gives the characters of a string piece by piece: units of 1 or 2 bytes.  @piece returns
 * false to stop.  False: it cannot be read to its end.
 */
typedef bool (*heap_piece)(void *arg, const uint8_t *units, size_t n, bool wide);
bool heap_visit_string(const struct v8_heap *h, uint64_t string, heap_piece piece, void *arg);
/* Its length in units; -1: it is none. */
int32_t heap_string_length(const struct v8_heap *h, uint64_t string);
/* Appends it as UTF-8 fit to be shown, @max units at most and then "..". */
bool heap_put_string(const struct v8_heap *h, uint64_t string, size_t max, struct buf *out);

#endif
