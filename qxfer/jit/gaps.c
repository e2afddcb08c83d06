/* SPDX-License-Identifier: MIT */
#include "qxfer/jit/gaps.h"

#include <stdlib.h>
#include <string.h>

#define HDR_VERSION  1
#define ENC_SDATA4   0x0b /* Linux Standard Base Core, "DWARF Exception Header Encoding" */
#define ENC_UDATA4   0x03
#define ENC_PCREL    0x10
#define ENC_DATAREL  0x30
#define ENC_FORMAT   0x0f
#define SHORT_GAP    16u /* bytes: without a decoder, shorter ones are taken for padding */
#define READ_AT_ONCE (1u << 20)

struct range {
	uint64_t start, end;
};

/* What the table tells. */
struct cover {
	struct range *range;
	size_t n;
	uint8_t *eh; /* a copy of .eh_frame, from eh_at on */
	uint64_t eh_at, eh_len;
	uint64_t cie; /* read last, and how wide its pointers are */
	unsigned int width;
};

void gaps_deinit(struct gaps *g)
{
	free(g->gap);
	*g = (struct gaps){ 0 };
}

static uint32_t u32_at(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

/* ---- descriptions ---- */

static const uint8_t *eh_bytes(const struct cover *c, uint64_t at, uint64_t len)
{
	if (at < c->eh_at || at - c->eh_at > c->eh_len || len > c->eh_len - (at - c->eh_at))
		return NULL;
	return c->eh + (at - c->eh_at);
}

static unsigned int width_of(uint8_t enc)
{
	switch (enc & ENC_FORMAT & 7u) {
	case 2:
		return 2;
	case 3:
		return 4;
	case 0:
	case 4:
		return 8;
	default:
		return 0; /* LEB128 */
	}
}

/* Past a LEB128 number; the end if there is none. */
static const uint8_t *skip_leb(const uint8_t *p, const uint8_t *end)
{
	while (p < end && *p & 0x80)
		p++;
	return p < end ? p + 1 : end;
}

/* How wide the pointers are that descriptions of this kind have; 0: not known. */
static unsigned int read_cie(const struct cover *c, uint64_t at)
{
	const uint8_t *p = eh_bytes(c, at, 9);
	uint32_t len = p ? u32_at(p) : 0;
	const uint8_t *end = p && len >= 5 && eh_bytes(c, at, 4ull + len) ? p + 4 + len : NULL;
	if (!end || u32_at(p + 4) != 0)
		return 0;
	const uint8_t *letter = p + 9;
	const uint8_t *nul = memchr(letter, 0, (size_t)(end - letter));
	if (!nul)
		return 0;
	if (*letter != 'z')
		return 8;
	const uint8_t *q = skip_leb(skip_leb(nul + 1, end), end); /* the two alignments */
	q = skip_leb(skip_leb(q, end), end); /* the return address, and how much augments */
	for (letter++; letter < nul && q < end; letter++) {
		if (*letter == 'R')
			return width_of(*q);
		if (*letter == 'L')
			q++;
		else if (*letter == 'P')
			q += 1 + width_of(*q);
	}
	return 8;
}

/* How many bytes the description at @at is about; 0: not known. */
static uint64_t fde_range(struct cover *c, uint64_t at)
{
	const uint8_t *p = eh_bytes(c, at, 8);
	if (!p || u32_at(p) < 12 || u32_at(p) == UINT32_MAX)
		return 0;
	uint64_t cie = at + 4 - u32_at(p + 4);
	if (cie != c->cie) {
		c->width = read_cie(c, cie);
		c->cie = cie;
	}
	uint64_t len = 0;
	const uint8_t *range = eh_bytes(c, at + 8 + c->width, c->width);
	if (range && c->width)
		memcpy(&len, range, c->width);
	return len;
}

/* ---- the table ---- */

struct table {
	uint64_t hdr;
	uint32_t n;
	const uint8_t *entry; /* pairs of 32-bit offsets from hdr */
};

static uint64_t from_hdr(const struct table *t, size_t i)
{
	return t->hdr + (uint64_t)(int64_t)(int32_t)u32_at(t->entry + 4 * i);
}

/* The part of .eh_frame that has all descriptions. */
static struct err *copy_frame(const struct space *s, const struct table *t, struct cover *c)
{
	uint64_t lo = UINT64_MAX, hi = 0;
	for (size_t i = 0; i < t->n; i++) {
		uint64_t fde = from_hdr(t, 2 * i + 1);
		lo = fde < lo ? fde : lo;
		hi = fde > hi ? fde : hi;
	}
	if (!t->n || hi - lo > GAPS_TABLE_MAX)
		return t->n ? err_new(ERR_BAD_DATA, "an unwind table of %llu bytes",
				      (unsigned long long)(hi - lo))
			    : NULL;
	/* The first one's CIE is before it. */
	c->eh_at = lo > MEM_PAGE ? lo - MEM_PAGE : 0;
	c->eh_len = hi - c->eh_at + 64;
	c->eh = malloc(c->eh_len);
	if (!c->eh)
		return &err_nomem;
	size_t got = mem_read_some(s->mem, c->eh_at, c->eh, c->eh_len);
	if (!got) { /* that page was before the image's first */
		memset(c->eh, 0, lo - c->eh_at);
		got = lo - c->eh_at +
		      mem_read_some(s->mem, lo, c->eh + (lo - c->eh_at),
				    c->eh_len - (lo - c->eh_at));
	}
	c->eh_len = got;
	return NULL;
}

static int compare_range(const void *a, const void *b)
{
	const struct range *x = a, *y = b;
	return (x->start > y->start) - (x->start < y->start);
}

static struct err *read_ranges(const struct space *s, const struct table *t, struct cover *c)
{
	struct err *err = copy_frame(s, t, c);
	if (err || !t->n)
		return err;
	c->range = calloc(t->n, sizeof(*c->range));
	if (!c->range)
		return &err_nomem;
	for (size_t i = 0; i < t->n; i++) {
		uint64_t start = from_hdr(t, 2 * i);
		uint64_t len = fde_range(c, from_hdr(t, 2 * i + 1));
		if (len && start + len > start)
			c->range[c->n++] = (struct range){ start, start + len };
	}
	qsort(c->range, c->n, sizeof(*c->range), compare_range);
	return NULL;
}

static struct err *read_table(const struct space *s, uint64_t hdr, struct cover *c)
{
	uint8_t head[12];
	struct table t = { .hdr = hdr };
	struct err *err = mem_read(s->mem, hdr, head, sizeof(head));
	if (err)
		return err;
	t.n = u32_at(head + 8);
	if (head[0] != HDR_VERSION || head[1] != (ENC_PCREL | ENC_SDATA4) ||
	    head[2] != ENC_UDATA4 || head[3] != (ENC_DATAREL | ENC_SDATA4) || t.n > GAPS_FDES_MAX)
		return err_new(ERR_BAD_DATA, "the unwind table at 0x%llx is of an unknown form",
			       (unsigned long long)hdr);
	uint8_t *entries = malloc(t.n * 8ull + 1);
	if (!entries)
		return &err_nomem;
	t.entry = entries;
	err = mem_read(s->mem, hdr + sizeof(head), entries, t.n * 8ull);
	if (!err)
		err = read_ranges(s, &t, c);
	free(entries);
	return err;
}

/* ---- what is left ---- */

static struct err *add_gap(struct gaps *g, uint64_t start, uint64_t end)
{
	if (g->n >= GAPS_MAX)
		return NULL;
	if (g->n == g->cap) {
		size_t cap = g->cap ? g->cap * 2 : 64;
		struct gap *gap = reallocarray(g->gap, cap, sizeof(*gap));
		if (!gap)
			return &err_nomem;
		g->gap = gap;
		g->cap = cap;
	}
	g->gap[g->n++] = (struct gap){ start, end };
	return NULL;
}

/* Bytes at the begin of @p that no function has: traps, zeros, instructions that do nothing. */
static size_t padding(const uint8_t *p, size_t len, const struct insn_decoder *d)
{
	size_t at = 0;
	struct insn in;
	while (at < len) {
		size_t n = p[at] == 0xcc || p[at] == 0x90 || p[at] == 0 ? 1 : 0;
		if (!n && d) {
			insn_decode(d, p + at, len - at, &in);
			n = in.nop ? in.len : 0;
		}
		if (!n)
			break;
		at += n;
	}
	return at;
}

/* Without what pads it; false: nothing is left. */
static bool trim(const struct space *s, const struct insn_decoder *d, struct gap *g)
{
	uint8_t bytes[256];
	while (g->start < g->end) {
		size_t want = g->end - g->start < sizeof(bytes) ? (size_t)(g->end - g->start)
								: sizeof(bytes);
		size_t got = mem_read_some(s->mem, g->start, bytes, want);
		size_t pad = padding(bytes, got, d);
		g->start += pad;
		if (pad < got || !got)
			break;
	}
	return g->start < g->end && (d || g->end - g->start >= SHORT_GAP);
}

/* Of an executable mapping's part in the image. */
static struct err *subtract(const struct space *s, struct range code, const struct cover *c,
			    const struct insn_decoder *d, struct gaps *ret)
{
	uint64_t at = code.start;
	struct err *err = NULL;
	for (size_t i = 0; i <= c->n && at < code.end && !err; i++) {
		struct gap g = { at, i < c->n ? c->range[i].start : code.end };
		if (g.end > code.end)
			g.end = code.end;
		if (g.start < g.end && trim(s, d, &g))
			err = add_gap(ret, g.start, g.end);
		if (i < c->n && c->range[i].end > at)
			at = c->range[i].end;
	}
	return err;
}

struct err *gaps_find(const struct space *s, uint64_t hdr, uint64_t lo, uint64_t hi,
		      const struct insn_decoder *d, struct gaps *ret)
{
	struct cover c = { .cie = UINT64_MAX };
	struct err *err = hdr ? read_table(s, hdr, &c) : NULL;

	*ret = (struct gaps){ 0 };
	for (size_t i = 0; i < s->maps->n && !err; i++) {
		const struct map *m = &s->maps->map[i];
		struct range code = { m->start > lo ? m->start : lo, m->end < hi ? m->end : hi };
		if (m->prot & MAP_X && code.start < code.end)
			err = subtract(s, code, &c, d, ret);
	}
	free(c.range);
	free(c.eh);
	if (err)
		gaps_deinit(ret);
	return err;
}
