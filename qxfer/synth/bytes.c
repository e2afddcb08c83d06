/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "qxfer/synth/priv.h"

void put_u8(struct buf *out, unsigned int v)
{
	uint8_t b = (uint8_t)v;
	buf_put(out, &b, 1);
}

static void put_le(struct buf *out, uint64_t v, size_t n)
{
	uint8_t b[8];
	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	buf_put(out, b, n);
}

void put_u16(struct buf *out, unsigned int v)
{
	put_le(out, v, 2);
}

void put_u32(struct buf *out, uint64_t v)
{
	put_le(out, v, 4);
}

void put_u64(struct buf *out, uint64_t v)
{
	put_le(out, v, 8);
}

void put_uleb(struct buf *out, uint64_t v)
{
	uint8_t b[10];
	size_t n = 0;
	do {
		b[n] = (v & 0x7f) | (v > 0x7f ? 0x80 : 0);
		n++;
		v >>= 7;
	} while (v);
	buf_put(out, b, n);
}

void put_sleb(struct buf *out, int64_t v)
{
	uint8_t b[10];
	size_t n = 0;
	/* The last byte's bit 6 is the sign. */
	for (; v < -64 || v > 63; v >>= 7)
		b[n++] = (uint8_t)((v & 0x7f) | 0x80);
	b[n++] = (uint8_t)(v & 0x7f);
	buf_put(out, b, n);
}

void put_text(struct buf *out, const char *text)
{
	buf_put(out, text, strlen(text) + 1);
}

void put_zeros(struct buf *out, size_t n)
{
	uint8_t *at = n ? buf_room(out, n) : NULL;
	if (at) {
		memset(at, 0, n);
		out->len += n;
	}
}

void put_align(struct buf *out, size_t align)
{
	put_zeros(out, -out->len & (align - 1));
}

void set_u32(struct buf *out, size_t at, uint64_t v)
{
	if (out->failed)
		return;
	for (size_t i = 0; i < 4; i++)
		out->data[at + i] = (uint8_t)(v >> (8 * i));
}
