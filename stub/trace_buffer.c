/* SPDX-License-Identifier: MIT */
#include "stub/trace_buffer.h"

#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES 6u
#define CAP_FIRST  0x10000u

void trace_buffer_clear(struct trace_buffer *b)
{
	b->base = b->start = b->end = b->created = 0;
	b->first = b->n = 0;
	b->full = b->open = false;
}

void trace_buffer_deinit(struct trace_buffer *b)
{
	free(b->bytes);
	free(b->frame);
	*b = (struct trace_buffer){ .size = b->size, .circular = b->circular };
}

static uint8_t *bytes_at(const struct trace_buffer *b, uint64_t at)
{
	return b->bytes + (at - b->base);
}

static void drop_oldest(struct trace_buffer *b)
{
	b->start += b->frame[b->first].len;
	b->first++;
	b->n--;
}

/* What was pushed out is reclaimed when the end of the memory is reached, not each time. */
static void move_down(struct trace_buffer *b)
{
	memmove(b->bytes, bytes_at(b, b->start), b->end - b->start);
	b->base = b->start;
}

static bool grow(struct trace_buffer *b, size_t want)
{
	size_t most = b->circular ? 2 * b->size : b->size;
	size_t cap = b->cap ? b->cap * 2 : CAP_FIRST;

	while (cap < want)
		cap *= 2;
	if (cap > most && want <= most)
		cap = most;
	uint8_t *bytes = realloc(b->bytes, cap);
	if (!bytes)
		return false;
	b->bytes = bytes;
	b->cap = cap;
	return true;
}

/* Room behind the end for @len bytes more. */
static bool make_room(struct trace_buffer *b, size_t len)
{
	if (len > b->size)
		return false;
	while (b->end - b->start + len > b->size) {
		if (!b->circular || b->n < 2) /* the last one is being made */
			return false;
		drop_oldest(b);
	}
	if (b->end - b->base + len <= b->cap)
		return true;
	if (b->circular && b->cap >= 2 * b->size)
		move_down(b);
	return b->end - b->base + len <= b->cap || grow(b, (size_t)(b->end - b->base) + len);
}

static void give_up(struct trace_buffer *b)
{
	b->full = true;
	b->open = false;
	b->n--;
	b->end = b->frame[b->first + b->n].at;
}

static void put(struct trace_buffer *b, const void *data, size_t len)
{
	if (!b->open)
		return;
	if (!make_room(b, len)) {
		give_up(b);
		return;
	}
	if (len)
		memcpy(bytes_at(b, b->end), data, len);
	b->end += len;
}

static bool room_for_frame(struct trace_buffer *b)
{
	if (b->first + b->n < b->nframes)
		return true;
	if (b->first >= b->nframes / 2 && b->first) {
		memmove(b->frame, b->frame + b->first, b->n * sizeof(*b->frame));
		b->first = 0;
		return true;
	}
	size_t cap = b->nframes ? b->nframes * 2 : 64;
	struct trace_frame *frame = reallocarray(b->frame, cap, sizeof(*frame));
	if (!frame)
		return false;
	b->frame = frame;
	b->nframes = cap;
	return true;
}

void trace_frame_begin(struct trace_buffer *b, uint16_t tracepoint, uint64_t pc)
{
	static const uint8_t size[4];

	if (!room_for_frame(b)) {
		b->full = true;
		return;
	}
	b->frame[b->first + b->n++] =
		(struct trace_frame){ .at = b->end, .tracepoint = tracepoint, .pc = pc };
	b->open = true;
	put(b, &tracepoint, sizeof(tracepoint));
	put(b, size, sizeof(size));
}

void trace_put_registers(struct trace_buffer *b, const void *values, size_t len)
{
	put(b, "R", 1);
	put(b, values, len);
	if (b->open)
		b->frame[b->first + b->n - 1].registers = (uint16_t)len;
}

void trace_put_memory(struct trace_buffer *b, uint64_t addr, const void *bytes, size_t len)
{
	const uint8_t *from = bytes;

	while (len) {
		uint16_t part = len < TRACE_BLOCK_MAX ? (uint16_t)len : TRACE_BLOCK_MAX;
		put(b, "M", 1);
		put(b, &addr, sizeof(addr));
		put(b, &part, sizeof(part));
		put(b, from, part);
		from += part;
		addr += part;
		len -= part;
	}
}

void trace_put_variable(struct trace_buffer *b, uint32_t number, uint64_t value)
{
	put(b, "V", 1);
	put(b, &number, sizeof(number));
	put(b, &value, sizeof(value));
}

size_t trace_frame_end(struct trace_buffer *b)
{
	if (!b->open)
		return 0;
	struct trace_frame *f = &b->frame[b->first + b->n - 1];
	f->len = (uint32_t)(b->end - f->at);
	uint32_t size = f->len - HEAD_BYTES;
	memcpy(bytes_at(b, f->at) + 2, &size, sizeof(size));
	b->open = false;
	b->created++;
	return f->len;
}

const struct trace_frame *trace_frame_at(const struct trace_buffer *b, uint64_t i)
{
	return i < b->n ? &b->frame[b->first + i] : NULL;
}

static bool take(const uint8_t **p, const uint8_t *end, void *ret, size_t len)
{
	if ((size_t)(end - *p) < len)
		return false;
	memcpy(ret, *p, len);
	*p += len;
	return true;
}

static bool take_bytes(const uint8_t **p, const uint8_t *end, size_t len, struct trace_block *ret)
{
	if ((size_t)(end - *p) < len)
		return false;
	ret->bytes = *p;
	ret->len = len;
	*p += len;
	return true;
}

bool trace_next_block(const struct trace_buffer *b, const struct trace_frame *f, size_t *at,
		      struct trace_block *ret)
{
	const uint8_t *start = bytes_at(b, f->at) + HEAD_BYTES, *p = start + *at,
		      *end = bytes_at(b, f->at) + f->len;
	uint16_t len = 0;
	bool sound = false;

	*ret = (struct trace_block){ 0 };
	if (p >= end)
		return false;
	ret->kind = (char)*p++;
	switch (ret->kind) {
	case 'R':
		sound = take_bytes(&p, end, f->registers, ret);
		break;
	case 'M':
		sound = take(&p, end, &ret->addr, sizeof(ret->addr)) &&
			take(&p, end, &len, sizeof(len)) && take_bytes(&p, end, len, ret);
		break;
	case 'V':
		sound = take(&p, end, &ret->number, sizeof(ret->number)) &&
			take(&p, end, &ret->value, sizeof(ret->value));
		break;
	default:
		break;
	}
	*at = (size_t)(p - start);
	return sound;
}

/* A window on bytes that are made one piece after the other. */
struct window {
	uint64_t skip, left;
	struct buf *out;
};

/* @bytes NULL: zeros. */
static void show(struct window *w, const uint8_t *bytes, uint64_t len)
{
	static const uint8_t zeros[64];

	if (w->skip >= len) {
		w->skip -= len;
		return;
	}
	len -= w->skip;
	if (len > w->left)
		len = w->left;
	if (bytes)
		buf_put_hex(w->out, bytes + w->skip, len);
	for (uint64_t done = 0; !bytes && done < len; done += sizeof(zeros))
		buf_put_hex(w->out, zeros, len - done < sizeof(zeros) ? len - done : sizeof(zeros));
	w->skip = 0;
	w->left -= len;
}

/* Its registers come first; see record(). */
static void show_frame(struct window *w, const struct trace_buffer *b, const struct trace_frame *f,
		       size_t pad)
{
	const uint8_t *bytes = bytes_at(b, f->at);
	size_t first = HEAD_BYTES + (f->registers ? 1u + f->registers : 0u);
	uint32_t size = f->len - HEAD_BYTES + (uint32_t)pad;

	show(w, bytes, 2);
	show(w, (const uint8_t *)&size, sizeof(size));
	show(w, bytes + HEAD_BYTES, first - HEAD_BYTES);
	show(w, NULL, pad);
	show(w, bytes + first, f->len - first);
}

void trace_buffer_dump(const struct trace_buffer *b, uint64_t offset, uint64_t len, size_t pad,
		       struct buf *out)
{
	struct window w = { offset, len, out };

	for (size_t i = 0; i < b->n && w.left; i++) {
		const struct trace_frame *f = &b->frame[b->first + i];
		size_t more = f->registers ? pad : 0;
		if (w.skip >= f->len + more)
			w.skip -= f->len + more;
		else
			show_frame(&w, b, f, more);
	}
}
