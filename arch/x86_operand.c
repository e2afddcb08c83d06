/* SPDX-License-Identifier: MIT */
/* Registers, the code and memory as operands (Intel SDM volume 2, "Instruction Format"). */
#include "arch/x86_emulate_priv.h"

#include <string.h>

/* How far above the stack pointer a frame's own data may lie. */
#define STACK_NEAR  0x100000u
#define STACK_BELOW 128u /* the red zone */

uint64_t *x86_gpr(struct x86 *x, unsigned int n)
{
	struct user_regs_struct *r = &x->r;
	unsigned long long *const all[16] = { &r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp,
					      &r->rsi, &r->rdi, &r->r8,	 &r->r9,  &r->r10, &r->r11,
					      &r->r12, &r->r13, &r->r14, &r->r15 };
	return (uint64_t *)all[n & 15];
}

uint64_t x86_mask(uint8_t size)
{
	return size == 8 ? ~0ull : (1ull << 8 * size) - 1;
}

uint64_t x86_sign_extend(uint64_t v, uint8_t size)
{
	uint64_t top = 1ull << (8 * size - 1);
	return ((v & x86_mask(size)) ^ top) - top;
}

/* Without REX, 4 to 7 are ah, ch, dh and bh. */
static bool is_high_byte(const struct x86 *x, unsigned int n, uint8_t size)
{
	return size == 1 && !x->rex && n >= 4 && n < 8;
}

uint64_t x86_reg(struct x86 *x, unsigned int n, uint8_t size)
{
	if (is_high_byte(x, n, size))
		return *x86_gpr(x, n - 4) >> 8 & 0xff;
	return *x86_gpr(x, n) & x86_mask(size);
}

void x86_reg_put(struct x86 *x, unsigned int n, uint8_t size, uint64_t v)
{
	uint64_t *reg = x86_gpr(x, is_high_byte(x, n, size) ? n - 4 : n);

	if (is_high_byte(x, n, size))
		*reg = (*reg & ~0xff00ull) | (v & 0xff) << 8;
	else if (size >= 4)
		*reg = v & x86_mask(size);
	else
		*reg = (*reg & ~x86_mask(size)) | (v & x86_mask(size));
}

/* ---- reading the code ---- */

bool x86_fetch(struct x86 *x, size_t len, uint64_t *ret)
{
	*ret = 0;
	if ((size_t)(x->end - x->p) < len)
		return false;
	memcpy(ret, x->p, len);
	x->p += len;
	return true;
}

bool x86_fetch_signed(struct x86 *x, uint8_t len, uint64_t *ret)
{
	bool there = x86_fetch(x, len, ret);
	*ret = x86_sign_extend(*ret, len);
	return there;
}

bool x86_fetch_imm(struct x86 *x, uint64_t *ret)
{
	return x86_fetch_signed(x, x->size < 4 ? x->size : 4, ret);
}

uint64_t x86_next_pc(const struct x86 *x)
{
	return x->start + (uint64_t)(x->p - x->code);
}

static bool fetch_sib(struct x86 *x, uint8_t mod)
{
	uint64_t sib, disp;

	if (!x86_fetch(x, 1, &sib))
		return false;
	unsigned int index = (sib >> 3 & 7) | (x->rex & REX_X ? 8u : 0u);
	if (index != RSP)
		x->addr += *x86_gpr(x, index) << (sib >> 6);
	if ((sib & 7) == RBP && mod == 0) {
		if (!x86_fetch_signed(x, 4, &disp))
			return false;
		x->addr += disp;
	} else {
		x->addr += *x86_gpr(x, (sib & 7) | (x->rex & REX_B ? 8u : 0u));
	}
	return true;
}

bool x86_fetch_modrm(struct x86 *x)
{
	uint64_t modrm, disp = 0;

	if (!x86_fetch(x, 1, &modrm))
		return false;
	uint8_t mod = (uint8_t)(modrm >> 6), rm = modrm & 7;
	x->reg = (uint8_t)((modrm >> 3 & 7) | (x->rex & REX_R ? 8u : 0u));
	x->rm = (uint8_t)(rm | (x->rex & REX_B ? 8u : 0u));
	x->in_memory = mod != 3;
	if (!x->in_memory)
		return true;
	x->addr = 0;
	if (rm == RSP && !fetch_sib(x, mod))
		return false;
	x->from_pc = rm == RBP && mod == 0;
	if (rm != RSP && !x->from_pc)
		x->addr = *x86_gpr(x, x->rm);
	if (mod == 1 && !x86_fetch_signed(x, 1, &disp))
		return false;
	if ((mod == 2 || x->from_pc) && !x86_fetch_signed(x, 4, &disp))
		return false;
	x->addr += disp;
	return true;
}

void x86_byte_or_word(struct x86 *x)
{
	if (!(x->op & 1))
		x->size = 1;
}

/* ---- memory ---- */

static bool is_own_stack(const struct x86 *x, uint64_t addr, size_t len)
{
	uint64_t bottom = x->r.rsp - STACK_BELOW;
	return addr - bottom < STACK_NEAR && addr - bottom + len < STACK_NEAR;
}

bool x86_load(struct x86 *x, uint64_t addr, uint8_t size, uint64_t *ret)
{
	*ret = 0;
	return (is_own_stack(x, addr, size) || addr % size == 0) &&
	       x->mem->read(x->mem->ctx, addr, ret, size);
}

/* The last that can fail of an instruction. */
static bool store(struct x86 *x, uint64_t addr, uint8_t size, uint64_t v)
{
	return is_own_stack(x, addr, size) && x->mem->write(x->mem->ctx, addr, &v, size);
}

uint64_t x86_rm_addr(const struct x86 *x)
{
	return x->from_pc ? x->addr + x86_next_pc(x) : x->addr;
}

bool x86_rm(struct x86 *x, uint8_t size, uint64_t *ret)
{
	if (x->in_memory)
		return x86_load(x, x86_rm_addr(x), size, ret);
	*ret = x86_reg(x, x->rm, size);
	return true;
}

bool x86_rm_put(struct x86 *x, uint64_t v)
{
	if (x->in_memory)
		return store(x, x86_rm_addr(x), x->size, v);
	x86_reg_put(x, x->rm, x->size, v);
	return true;
}

bool x86_push(struct x86 *x, uint64_t v)
{
	if (!store(x, x->r.rsp - 8, 8, v))
		return false;
	x->r.rsp -= 8;
	return true;
}
