/* SPDX-License-Identifier: MIT */
/*
 * Strings are sequences, concatenations, slices of others, outside the heap, or stand for
 * another one (src/objects/string.tq); which, and whether of one byte or two, is in the instance
 * type (src/objects/instance-type.h).
 */
#include <string.h>

#include "qxfer/python/text.h"
#include "qxfer/v8/heap.h"

#define TAG 1u

#define FORM_MASK 7
#define ONE_BYTE  8

enum { FORM_SEQ, FORM_CONS, FORM_EXTERNAL, FORM_SLICED, FORM_THIN = 5 };

/* Fields, the same in all versions. */
#define LENGTH	    12
#define SEQ_CHARS   16
#define FIRST	    16
#define SECOND	    24
#define PARENT	    16
#define OFFSET	    24
#define ACTUAL	    16
#define RESOURCE    24 /* where the characters are; the resource itself is before it */
#define PIECE_BYTES 16384u
#define DEPTH_MAX   512u

/* [from, from + n) of a string. */
struct part {
	uint64_t string;
	uint32_t from, n;
};

struct visit {
	const struct v8_heap *h;
	heap_piece piece;
	void *arg;
	struct part todo[DEPTH_MAX];
	size_t depth;
	bool stopped; /* by the visitor */
};

int32_t heap_string_length(const struct v8_heap *h, uint64_t string)
{
	int32_t n;
	if (!heap_is_string(h, &string) ||
	    mem_read_some(h->mem, string - TAG + LENGTH, &n, sizeof(n)) != sizeof(n) || n < 0)
		return -1;
	return n;
}

static bool push(struct visit *v, uint64_t string, uint32_t from, uint32_t n)
{
	if (!n)
		return true;
	if (v->depth == DEPTH_MAX)
		return false;
	v->todo[v->depth++] = (struct part){ string, from, n };
	return true;
}

static bool put_units(struct visit *v, uint64_t addr, const struct part *p, bool wide)
{
	uint8_t bytes[PIECE_BYTES];
	size_t size = wide ? 2 : 1, left = p->n;

	for (addr += p->from * size; left;) {
		size_t n = left < sizeof(bytes) / size ? left : sizeof(bytes) / size;
		if (mem_read_some(v->h->mem, addr, bytes, n * size) != n * size)
			return false;
		if (!v->piece(v->arg, bytes, n, wide)) {
			v->stopped = true;
			return true;
		}
		addr += n * size;
		left -= n;
	}
	return true;
}

/* What of a concatenation is in the first string, and what in the second. */
static bool put_cons(struct visit *v, const struct part *p)
{
	uint64_t first, second;
	if (!heap_field(v->h, p->string, FIRST, &first) ||
	    !heap_field(v->h, p->string, SECOND, &second))
		return false;
	int32_t len = heap_string_length(v->h, first);
	if (len < 0)
		return false;
	uint32_t n1 = p->from >= (uint32_t)len ? 0 : (uint32_t)len - p->from;
	if (n1 > p->n)
		n1 = p->n;
	uint32_t skip = p->from > (uint32_t)len ? p->from - (uint32_t)len : 0;
	return push(v, second, skip, p->n - n1) && push(v, first, p->from, n1);
}

static bool put_sliced(struct visit *v, const struct part *p)
{
	uint64_t parent;
	int32_t offset;
	if (!heap_field(v->h, p->string, PARENT, &parent) ||
	    !heap_field_smi(v->h, p->string, OFFSET, &offset) || offset < 0 ||
	    (uint32_t)offset > UINT32_MAX - p->from)
		return false;
	return push(v, parent, (uint32_t)offset + p->from, p->n);
}

static bool put_thin(struct visit *v, const struct part *p)
{
	uint64_t actual;
	return heap_field(v->h, p->string, ACTUAL, &actual) && push(v, actual, p->from, p->n);
}

static bool put_part(struct visit *v, struct part *p)
{
	int type = heap_type(v->h, &p->string);
	int32_t len = heap_string_length(v->h, p->string);
	uint64_t data;

	if (len < 0 || p->from > (uint32_t)len || p->n > (uint32_t)len - p->from)
		return false;
	bool wide = !(type & ONE_BYTE);
	switch (type & FORM_MASK) {
	case FORM_SEQ:
		return put_units(v, p->string - TAG + SEQ_CHARS, p, wide);
	case FORM_CONS:
		return put_cons(v, p);
	case FORM_EXTERNAL:
		return heap_field(v->h, p->string, RESOURCE, &data) && put_units(v, data, p, wide);
	case FORM_SLICED:
		return put_sliced(v, p);
	case FORM_THIN:
		return put_thin(v, p);
	default:
		return false;
	}
}

bool heap_visit_string(const struct v8_heap *h, uint64_t string, heap_piece piece, void *arg)
{
	struct visit v = { .h = h, .piece = piece, .arg = arg };
	int32_t n = heap_string_length(h, string);

	if (n < 0 || !push(&v, string, 0, (uint32_t)n))
		return false;
	for (size_t i = 0; v.depth && !v.stopped; i++) {
		struct part p = v.todo[--v.depth];
		if (i >= HEAP_PIECES_MAX || !put_part(&v, &p))
			return false;
	}
	return true;
}

/* ---- as text ---- */

struct text {
	struct buf *out;
	size_t left;
	bool cut;
	uint16_t high; /* the first half of a pair, or 0 */
};

static void put_unit(struct text *t, uint16_t unit)
{
	bool low = unit >= 0xdc00 && unit < 0xe000;
	if (t->high && low) {
		py_text_put(t->out, 0x10000u + ((uint32_t)(t->high - 0xd800) << 10) +
					    (uint32_t)(unit - 0xdc00));
		t->high = 0;
		return;
	}
	if (t->high)
		py_text_put(t->out, t->high);
	t->high = unit >= 0xd800 && unit < 0xdc00 ? unit : 0;
	if (!t->high)
		py_text_put(t->out, unit);
}

static bool put_text(void *arg, const uint8_t *units, size_t n, bool wide)
{
	struct text *t = arg;
	for (size_t i = 0; i < n && t->left; i++, t->left--) {
		uint16_t unit = units[i];
		if (wide)
			memcpy(&unit, units + i * 2, sizeof(unit));
		put_unit(t, unit);
	}
	t->cut = !t->left;
	return !t->cut;
}

bool heap_put_string(const struct v8_heap *h, uint64_t string, size_t max, struct buf *out)
{
	struct text t = { .out = out, .left = max };
	bool whole = heap_visit_string(h, string, put_text, &t);
	if (t.high)
		py_text_put(out, t.high);
	if (t.cut && heap_string_length(h, string) > (int32_t)max)
		buf_puts(out, "...");
	return whole;
}
