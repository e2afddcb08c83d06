/* SPDX-License-Identifier: MIT */
#include "arch/x86_dregs.h"

#include <stddef.h>

/* The longest piece that starts at @addr: naturally aligned, as the processor demands. */
static uint8_t piece_len(enum x86_dreg_type type, uint64_t addr, uint64_t len)
{
	if (type == X86_DR_EXEC)
		return 1;
	for (uint8_t n = 8; n > 1; n /= 2)
		if (addr % n == 0 && len >= n)
			return n;
	return 1;
}

static struct x86_dreg *find(struct x86_dregs *d, enum x86_dreg_type type, uint64_t addr,
			     uint8_t len)
{
	for (size_t i = 0; i < X86_DREGS; i++) {
		struct x86_dreg *r = &d->reg[i];
		if (r->refs && r->type == type && r->addr == addr && r->len == len)
			return r;
	}
	return NULL;
}

static bool insert_piece(struct x86_dregs *d, enum x86_dreg_type type, uint64_t addr, uint8_t len)
{
	struct x86_dreg *r = find(d, type, addr, len);
	for (size_t i = 0; !r && i < X86_DREGS; i++) {
		if (d->reg[i].refs)
			continue;
		r = &d->reg[i];
		*r = (struct x86_dreg){ .addr = addr, .type = (uint8_t)type, .len = len };
	}
	if (!r || r->refs == UINT16_MAX)
		return false;
	r->refs++;
	return true;
}

struct err *x86_dregs_insert(struct x86_dregs *d, enum x86_dreg_type type, uint64_t addr,
			     uint64_t len)
{
	uint64_t done = 0;

	/* An execution breakpoint is one byte, whatever kind the client names. */
	if (type == X86_DR_EXEC)
		len = 1;
	if (len == 0 || len > 8ull * X86_DREGS)
		return err_new(ERR_STATE,
			       "a watch of this length does not fit the debug registers");
	while (done < len) {
		uint8_t n = piece_len(type, addr + done, len - done);
		if (!insert_piece(d, type, addr + done, n)) {
			if (done)
				x86_dregs_remove(d, type, addr, done);
			return err_new(ERR_STATE, "no debug register is free");
		}
		done += n;
	}
	d->generation++;
	return NULL;
}

void x86_dregs_remove(struct x86_dregs *d, enum x86_dreg_type type, uint64_t addr, uint64_t len)
{
	if (type == X86_DR_EXEC)
		len = 1;
	if (len > 8ull * X86_DREGS)
		return;
	for (uint64_t done = 0; done < len;) {
		uint8_t n = piece_len(type, addr + done, len - done);
		struct x86_dreg *r = find(d, type, addr + done, n);
		if (r)
			r->refs--;
		done += n;
	}
	d->generation++;
}

bool x86_dregs_any(const struct x86_dregs *d)
{
	return x86_dregs_control(d) != 0;
}

uint64_t x86_dregs_control(const struct x86_dregs *d)
{
	/* The two length bits: 00 one byte, 01 two, 11 four, 10 eight. */
	static const uint8_t len_bits[9] = { [1] = 0, [2] = 1, [4] = 3, [8] = 2 };
	uint64_t dr7 = 0;

	for (unsigned int i = 0; i < X86_DREGS; i++) {
		const struct x86_dreg *r = &d->reg[i];
		if (!r->refs)
			continue;
		dr7 |= 1ull << (2 * i); /* local enable */
		dr7 |= (uint64_t)(r->type | len_bits[r->len] << 2) << (16 + 4 * i);
	}
	return dr7;
}

const struct x86_dreg *x86_dregs_hit(const struct x86_dregs *d, uint64_t dr6)
{
	const struct x86_dreg *exec = NULL;

	for (unsigned int i = 0; i < X86_DREGS; i++) {
		const struct x86_dreg *r = &d->reg[i];
		if (!r->refs || !(dr6 >> i & 1))
			continue;
		if (r->type != X86_DR_EXEC)
			return r;
		exec = r;
	}
	return exec;
}
