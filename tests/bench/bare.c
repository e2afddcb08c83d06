/* SPDX-License-Identifier: MIT */
#include "tests/bench/bare.h"

#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "qxfer/python/code.h"

#define CODES 1024u /* a power of two */

struct bare_code {
	uint64_t addr;
	uint64_t walk; /* in which it was read */
	char name[128], file[256];
	int32_t first_line;
	uint8_t lines[8192];
	size_t lines_len;
};

static struct bare_code codes[CODES];

static bool fetch(struct bare *b, uint64_t addr, void *buf, size_t len)
{
	struct iovec local = { buf, len }, remote = { (void *)(uintptr_t)addr, len };
	b->reads++;
	return process_vm_readv(b->pid, &local, 1, &remote, 1, 0) == (ssize_t)len;
}

static uint64_t fetch_word(struct bare *b, uint64_t addr)
{
	uint64_t v = 0;
	return fetch(b, addr, &v, sizeof(v)) ? v : 0;
}

static uint64_t word(const uint8_t *p, uint32_t offset)
{
	uint64_t v;
	memcpy(&v, p + offset, sizeof(v));
	return v;
}

/* Names in ASCII alone: those of the program that is looked at are. */
static void fetch_text(struct bare *b, uint64_t addr, char *ret, size_t size)
{
	size_t len = fetch_word(b, addr + b->off->str.length);
	if (len >= size)
		len = size - 1;
	ret[fetch(b, addr + b->off->str.ascii_size, ret, len) ? len : 0] = '\0';
}

static struct bare_code *find_code(struct bare *b, uint64_t addr)
{
	const struct py_offsets *off = b->off;
	struct bare_code *c = &codes[addr >> 4 & (CODES - 1)];
	uint8_t head[512];
	if (c->addr == addr && c->walk == b->walks)
		return c;
	if (!fetch(b, addr, head, off->code.bytecode))
		return NULL;
	c->addr = addr;
	c->walk = b->walks;
	fetch_text(b, word(head, off->code.name), c->name, sizeof(c->name));
	fetch_text(b, word(head, off->code.filename), c->file, sizeof(c->file));
	memcpy(&c->first_line, head + off->code.first_line, 4);
	uint64_t table = word(head, off->code.linetable);
	c->lines_len = fetch_word(b, table + off->bytes.size);
	if (c->lines_len > sizeof(c->lines) ||
	    !fetch(b, table + off->bytes.data, c->lines, c->lines_len))
		c->lines_len = 0;
	return c;
}

static void put_frame(struct bare *b, const uint8_t *frame)
{
	const struct py_offsets *off = b->off;
	uint64_t addr = word(frame, off->frame.code) & ~(uint64_t)off->code_tag;
	struct py_position pos = { .line = -1 };
	const struct bare_code *c = find_code(b, addr);
	if (!c)
		return;
	uint64_t at = word(frame, off->frame.instr) - addr - off->code.bytecode;
	py_lines_find((enum py_lines)off->lines, c->lines, c->lines_len, c->first_line, (int32_t)at,
		      &pos);
	int n = snprintf(b->text + b->len, sizeof(b->text) - b->len,
			 "File \"%s\", line %d, in %s\n", c->file, pos.line, c->name);
	if (n > 0 && b->len + (size_t)n < sizeof(b->text))
		b->len += (size_t)n;
	b->frames++;
}

static void walk_thread(struct bare *b, uint64_t frame)
{
	const struct py_offsets *off = b->off;
	uint8_t raw[512];
	if (off->cframe.current_frame != PY_NONE)
		frame = fetch_word(b, frame + off->cframe.current_frame);
	while (frame && fetch(b, frame, raw, py_offsets_frame_span(off))) {
		if (raw[off->frame.owner] < off->owner_shim)
			put_frame(b, raw);
		frame = word(raw, off->frame.previous);
	}
}

void bare_walk(struct bare *b)
{
	const struct py_offsets *off = b->off;
	uint8_t ts[512];
	b->walks++;
	b->threads = b->frames = b->reads = b->len = 0;
	uint64_t interp = fetch_word(b, b->runtime + off->runtime.interpreters_head);
	for (; interp; interp = fetch_word(b, interp + off->interp.next)) {
		uint64_t at = fetch_word(b, interp + off->interp.threads_head);
		while (at && fetch(b, at, ts, py_offsets_tstate_span(off))) {
			walk_thread(b, word(ts, off->tstate.frame));
			at = word(ts, off->tstate.next);
			b->threads++;
		}
	}
}
