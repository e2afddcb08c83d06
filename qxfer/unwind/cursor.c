/* SPDX-License-Identifier: MIT */
#include "qxfer/unwind/cfi_priv.h"

static bool take(struct cfi_cursor *c, void *ret, unsigned int size)
{
	if (c->bad || !c->from->left || c->at > c->end || c->end - c->at < size ||
	    mem_read_some(c->from->mem, c->at, ret, size) != size) {
		c->bad = true;
		return false;
	}
	c->at += size;
	c->from->left--;
	return true;
}

uint64_t cfi_uint(struct cfi_cursor *c, unsigned int size)
{
	uint64_t v = 0; /* little-endian: the bytes that are not read are the high ones */
	return size <= sizeof(v) && take(c, &v, size) ? v : 0;
}

int64_t cfi_int(struct cfi_cursor *c, unsigned int size)
{
	uint64_t v = cfi_uint(c, size);
	unsigned int unused = 64 - 8 * size;
	return size ? (int64_t)(v << unused) >> unused : 0;
}

/* LEB128: DWARF 5, 7.6.  What does not fit into 64 bits is lost. */
static uint64_t leb(struct cfi_cursor *c, unsigned int *bits, uint8_t *last)
{
	uint64_t v = 0;
	*bits = 0;
	do {
		*last = (uint8_t)cfi_uint(c, 1);
		if (*bits < 64)
			v |= (uint64_t)(*last & 0x7f) << *bits;
		*bits += 7;
	} while (*last & 0x80);
	return v;
}

uint64_t cfi_uleb(struct cfi_cursor *c)
{
	unsigned int bits;
	uint8_t last;
	return leb(c, &bits, &last);
}

int64_t cfi_sleb(struct cfi_cursor *c)
{
	unsigned int bits;
	uint8_t last;
	uint64_t v = leb(c, &bits, &last);
	if (last & 0x40 && bits < 64)
		v |= ~0ull << bits;
	return (int64_t)v;
}

/* ---- pointers ---- */

uint64_t cfi_format(struct cfi_cursor *c, uint8_t enc)
{
	switch (enc & ENC_FORMAT) {
	case ENC_ABSPTR:
	case ENC_UDATA8:
	case ENC_SDATA8:
		return cfi_uint(c, 8);
	case ENC_UDATA4:
		return cfi_uint(c, 4);
	case ENC_SDATA4:
		return (uint64_t)cfi_int(c, 4);
	case ENC_UDATA2:
		return cfi_uint(c, 2);
	case ENC_SDATA2:
		return (uint64_t)cfi_int(c, 2);
	case ENC_ULEB:
		return cfi_uleb(c);
	case ENC_SLEB:
		return (uint64_t)cfi_sleb(c);
	default:
		c->bad = true;
		return 0;
	}
}

uint64_t cfi_pointer(struct cfi_cursor *c, uint8_t enc, uint64_t data)
{
	uint64_t field = c->at;
	uint64_t v = cfi_format(c, enc);
	if ((enc & ENC_BASE) == ENC_PCREL)
		v += field;
	else if ((enc & ENC_BASE) == ENC_DATAREL)
		v += data;
	else if (enc & ENC_BASE)
		c->bad = true;
	if (enc & ENC_INDIRECT && !c->bad &&
	    mem_read_some(c->from->mem, v, &v, sizeof(v)) != sizeof(v))
		c->bad = true;
	return v;
}
