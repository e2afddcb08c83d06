/* SPDX-License-Identifier: MIT */
/* Intel SDM volume 2, "Instruction Format" and appendix A, "Opcode Map". */
#include "arch/x86_emulate.h"

#include <string.h>

#define USER_CS64 0x33u

enum { RAX = 0, RDX = 2, RSP = 4, RBP = 5 };
enum { CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, OF = 0x800 };
#define ARITHMETIC (CF | PF | AF | ZF | SF | OF)

enum { REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8 };

/* How far above the stack pointer a frame's own data may lie. */
#define STACK_NEAR  0x100000u
#define STACK_BELOW 128u /* the red zone */

/* An instruction in the middle of being read and done. */
struct x86 {
	const uint8_t *code, *p, *end;
	struct user_regs_struct r;
	const struct x86_memory *mem;
	uint64_t start;
	uint8_t op;	  /* the opcode's last byte */
	uint8_t rex, rep; /* as they stand in the code; 0: none */
	bool word;	  /* the operand size prefix */
	uint8_t size;	  /* of the operands: 1, 2, 4, 8 */
	uint8_t reg, rm;  /* of ModRM, with REX; rm only if it is a register */
	bool in_memory;
	bool from_pc; /* `addr' counts from the next instruction */
	uint64_t addr;
};

static uint64_t *gpr(struct x86 *x, unsigned int n)
{
	struct user_regs_struct *r = &x->r;
	unsigned long long *const all[16] = { &r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp,
					      &r->rsi, &r->rdi, &r->r8,	 &r->r9,  &r->r10, &r->r11,
					      &r->r12, &r->r13, &r->r14, &r->r15 };
	return (uint64_t *)all[n & 15];
}

static uint64_t mask(uint8_t size)
{
	return size == 8 ? ~0ull : (1ull << 8 * size) - 1;
}

static uint64_t sign_extend(uint64_t v, uint8_t size)
{
	uint64_t top = 1ull << (8 * size - 1);
	return ((v & mask(size)) ^ top) - top;
}

/* Without REX, 4 to 7 are ah, ch, dh and bh. */
static bool is_high_byte(const struct x86 *x, unsigned int n, uint8_t size)
{
	return size == 1 && !x->rex && n >= 4 && n < 8;
}

static uint64_t reg_get(struct x86 *x, unsigned int n, uint8_t size)
{
	if (is_high_byte(x, n, size))
		return *gpr(x, n - 4) >> 8 & 0xff;
	return *gpr(x, n) & mask(size);
}

/* Four bytes clear the rest of the register, one and two leave it. */
static void reg_put(struct x86 *x, unsigned int n, uint8_t size, uint64_t v)
{
	uint64_t *reg = gpr(x, is_high_byte(x, n, size) ? n - 4 : n);

	if (is_high_byte(x, n, size))
		*reg = (*reg & ~0xff00ull) | (v & 0xff) << 8;
	else if (size >= 4)
		*reg = v & mask(size);
	else
		*reg = (*reg & ~mask(size)) | (v & mask(size));
}

/* ---- reading the code ---- */

static bool fetch(struct x86 *x, size_t len, uint64_t *ret)
{
	*ret = 0;
	if ((size_t)(x->end - x->p) < len)
		return false;
	memcpy(ret, x->p, len);
	x->p += len;
	return true;
}

static bool fetch_signed(struct x86 *x, uint8_t len, uint64_t *ret)
{
	bool there = fetch(x, len, ret);
	*ret = sign_extend(*ret, len);
	return there;
}

/* An immediate of the operand size, 4 bytes at most. */
static bool fetch_imm(struct x86 *x, uint64_t *ret)
{
	return fetch_signed(x, x->size < 4 ? x->size : 4, ret);
}

static uint64_t next_pc(const struct x86 *x)
{
	return x->start + (uint64_t)(x->p - x->code);
}

static bool fetch_sib(struct x86 *x, uint8_t mod)
{
	uint64_t sib, disp;

	if (!fetch(x, 1, &sib))
		return false;
	unsigned int index = (sib >> 3 & 7) | (x->rex & REX_X ? 8u : 0u);
	if (index != RSP)
		x->addr += *gpr(x, index) << (sib >> 6);
	if ((sib & 7) == RBP && mod == 0) {
		if (!fetch_signed(x, 4, &disp))
			return false;
		x->addr += disp;
	} else {
		x->addr += *gpr(x, (sib & 7) | (x->rex & REX_B ? 8u : 0u));
	}
	return true;
}

static bool fetch_modrm(struct x86 *x)
{
	uint64_t modrm, disp = 0;

	if (!fetch(x, 1, &modrm))
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
		x->addr = *gpr(x, x->rm);
	if (mod == 1 && !fetch_signed(x, 1, &disp))
		return false;
	if ((mod == 2 || x->from_pc) && !fetch_signed(x, 4, &disp))
		return false;
	x->addr += disp;
	return true;
}

/* The size of opcodes whose lowest bit tells bytes from words. */
static void byte_or_word(struct x86 *x)
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

static bool load(struct x86 *x, uint64_t addr, uint8_t size, uint64_t *ret)
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

/* All of the instruction has been read. */
static uint64_t rm_addr(const struct x86 *x)
{
	return x->from_pc ? x->addr + next_pc(x) : x->addr;
}

static bool rm_get(struct x86 *x, uint8_t size, uint64_t *ret)
{
	if (x->in_memory)
		return load(x, rm_addr(x), size, ret);
	*ret = reg_get(x, x->rm, size);
	return true;
}

static bool rm_put(struct x86 *x, uint64_t v)
{
	if (x->in_memory)
		return store(x, rm_addr(x), x->size, v);
	reg_put(x, x->rm, x->size, v);
	return true;
}

static bool push(struct x86 *x, uint64_t v)
{
	if (!store(x, x->r.rsp - 8, 8, v))
		return false;
	x->r.rsp -= 8;
	return true;
}

/* ---- flags ---- */

static void set_flags(struct x86 *x, uint64_t which, uint64_t flags)
{
	x->r.eflags = (x->r.eflags & ~which) | (flags & which);
}

static uint64_t result_flags(uint64_t v, uint8_t size)
{
	uint64_t flags = 0;

	v &= mask(size);
	if (!__builtin_parityll(v & 0xff))
		flags |= PF;
	if (!v)
		flags |= ZF;
	if (v >> (8 * size - 1))
		flags |= SF;
	return flags;
}

enum { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };

/* Sum or difference of two values and a carry, with its flags. */
static uint64_t sum(struct x86 *x, bool minus, uint64_t a, uint64_t b, uint64_t carry)
{
	uint64_t m = mask(x->size), top = 1ull << (8 * x->size - 1);
	uint64_t v = (minus ? a - b - carry : a + b + carry) & m;
	/* What is carried out of each bit. */
	uint64_t out = minus ? (~a & b) | (~(a ^ b) & v) : (a & b) | ((a | b) & ~v);
	uint64_t flags = result_flags(v, x->size);

	if (out & top)
		flags |= CF;
	if (out & 8)
		flags |= AF;
	if ((minus ? (a ^ b) & (a ^ v) : (a ^ v) & (b ^ v)) & top)
		flags |= OF;
	set_flags(x, ARITHMETIC, flags);
	return v;
}

static uint64_t alu(struct x86 *x, unsigned int op, uint64_t a, uint64_t b)
{
	uint64_t carry = x->r.eflags & CF, v;

	a &= mask(x->size);
	b &= mask(x->size);
	switch (op) {
	case ALU_ADD:
		return sum(x, false, a, b, 0);
	case ALU_ADC:
		return sum(x, false, a, b, carry);
	case ALU_SBB:
		return sum(x, true, a, b, carry);
	case ALU_SUB:
	case ALU_CMP:
		return sum(x, true, a, b, 0);
	case ALU_OR:
		v = a | b;
		break;
	case ALU_AND:
		v = a & b;
		break;
	default:
		v = a ^ b;
	}
	set_flags(x, ARITHMETIC, result_flags(v, x->size));
	return v;
}

/* Appendix B, "EFLAGS Condition Codes". */
static bool condition(const struct x86 *x, unsigned int code)
{
	uint64_t f = x->r.eflags;
	bool holds = false, less = !(f & SF) != !(f & OF);

	switch (code >> 1 & 7) {
	case 0:
		holds = f & OF;
		break;
	case 1:
		holds = f & CF;
		break;
	case 2:
		holds = f & ZF;
		break;
	case 3:
		holds = f & (CF | ZF);
		break;
	case 4:
		holds = f & SF;
		break;
	case 5:
		holds = f & PF;
		break;
	case 6:
		holds = less;
		break;
	default:
		holds = less || (f & ZF);
	}
	return holds != (code & 1);
}

/* ---- instructions; one that fails has changed no memory, and its registers are dropped ---- */

static bool alu_to_rm(struct x86 *x, unsigned int op, uint64_t b)
{
	uint64_t a;

	if (!rm_get(x, x->size, &a))
		return false;
	uint64_t v = alu(x, op, a, b);
	return op == ALU_CMP || rm_put(x, v);
}

static bool do_alu(struct x86 *x)
{
	uint64_t b;

	byte_or_word(x);
	if (!fetch_modrm(x))
		return false;
	if (!(x->op & 2))
		return alu_to_rm(x, x->op >> 3 & 7, reg_get(x, x->reg, x->size));
	if (!rm_get(x, x->size, &b))
		return false;
	uint64_t v = alu(x, x->op >> 3 & 7, reg_get(x, x->reg, x->size), b);
	if ((x->op >> 3 & 7) != ALU_CMP)
		reg_put(x, x->reg, x->size, v);
	return true;
}

static bool do_alu_acc(struct x86 *x)
{
	uint64_t b;

	byte_or_word(x);
	if (!fetch_imm(x, &b))
		return false;
	uint64_t v = alu(x, x->op >> 3 & 7, reg_get(x, RAX, x->size), b);
	if ((x->op >> 3 & 7) != ALU_CMP)
		reg_put(x, RAX, x->size, v);
	return true;
}

static bool do_alu_imm(struct x86 *x)
{
	uint64_t b;

	byte_or_word(x);
	return fetch_modrm(x) && (x->op == 0x83 ? fetch_signed(x, 1, &b) : fetch_imm(x, &b)) &&
	       alu_to_rm(x, x->reg & 7, b);
}

static bool do_test(struct x86 *x)
{
	uint64_t a;

	byte_or_word(x);
	if (!fetch_modrm(x) || !rm_get(x, x->size, &a))
		return false;
	(void)alu(x, ALU_AND, a, reg_get(x, x->reg, x->size));
	return true;
}

static bool do_test_acc(struct x86 *x)
{
	uint64_t b;

	byte_or_word(x);
	if (!fetch_imm(x, &b))
		return false;
	(void)alu(x, ALU_AND, reg_get(x, RAX, x->size), b);
	return true;
}

/* test with an immediate, the first of group 3. */
static bool do_group3(struct x86 *x)
{
	uint64_t a, b;

	byte_or_word(x);
	if (!fetch_modrm(x) || (x->reg & 7) != 0 || !fetch_imm(x, &b) || !rm_get(x, x->size, &a))
		return false;
	(void)alu(x, ALU_AND, a, b);
	return true;
}

static bool do_mov(struct x86 *x)
{
	uint64_t v;

	byte_or_word(x);
	if (!fetch_modrm(x))
		return false;
	if (!(x->op & 2))
		return rm_put(x, reg_get(x, x->reg, x->size));
	if (!rm_get(x, x->size, &v))
		return false;
	reg_put(x, x->reg, x->size, v);
	return true;
}

static bool do_mov_imm(struct x86 *x)
{
	uint64_t v;

	if (x->op < 0xb8)
		x->size = 1;
	if (!fetch(x, x->size, &v))
		return false;
	reg_put(x, (x->op & 7) | (x->rex & REX_B ? 8u : 0u), x->size, v);
	return true;
}

static bool do_mov_rm_imm(struct x86 *x)
{
	uint64_t v;

	byte_or_word(x);
	return fetch_modrm(x) && (x->reg & 7) == 0 && fetch_imm(x, &v) && rm_put(x, v);
}

/* @from bytes, extended to the operand size. */
static bool move_extended(struct x86 *x, uint8_t from, bool is_signed)
{
	uint64_t v;

	if (!fetch_modrm(x) || !rm_get(x, from, &v))
		return false;
	reg_put(x, x->reg, x->size, is_signed ? sign_extend(v, from) : v);
	return true;
}

static bool do_movsxd(struct x86 *x)
{
	return x->size == 8 && move_extended(x, 4, true);
}

static bool do_movx(struct x86 *x)
{
	return move_extended(x, x->op & 1 ? 2 : 1, x->op >= 0xbe);
}

static bool do_lea(struct x86 *x)
{
	if (!fetch_modrm(x) || !x->in_memory)
		return false;
	reg_put(x, x->reg, x->size, rm_addr(x));
	return true;
}

static bool do_push(struct x86 *x)
{
	return !x->word && push(x, *gpr(x, (x->op & 7) | (x->rex & REX_B ? 8u : 0u)));
}

static bool do_push_imm(struct x86 *x)
{
	uint64_t v;
	return !x->word && fetch_signed(x, x->op == 0x6a ? 1 : 4, &v) && push(x, v);
}

static bool do_pop(struct x86 *x)
{
	uint64_t v;

	if (x->word || !load(x, x->r.rsp, 8, &v))
		return false;
	x->r.rsp += 8;
	*gpr(x, (x->op & 7) | (x->rex & REX_B ? 8u : 0u)) = v;
	return true;
}

static bool do_leave(struct x86 *x)
{
	uint64_t v;

	if (x->word || !load(x, x->r.rbp, 8, &v))
		return false;
	x->r.rsp = x->r.rbp + 8;
	x->r.rbp = v;
	return true;
}

static bool do_nop(struct x86 *x)
{
	/* With REX.B it exchanges r8 and rax. */
	return !(x->rex & REX_B);
}

static bool do_long_nop(struct x86 *x)
{
	return fetch_modrm(x);
}

/* endbr64; others of this opcode have to do with shadow stacks. */
static bool do_endbr(struct x86 *x)
{
	uint64_t modrm;
	return x->rep == 0xf3 && fetch(x, 1, &modrm) && modrm == 0xfa;
}

static bool do_convert(struct x86 *x)
{
	if (x->op == 0x98)
		reg_put(x, RAX, x->size, sign_extend(x->r.rax, x->size / 2));
	else
		reg_put(x, RDX, x->size, x->r.rax >> (8 * x->size - 1) & 1 ? ~0ull : 0);
	return true;
}

static bool do_cmov(struct x86 *x)
{
	uint64_t v;

	if (!fetch_modrm(x) || !rm_get(x, x->size, &v))
		return false;
	/* Moved or not, 32 bits clear the upper half. */
	reg_put(x, x->reg, x->size, condition(x, x->op & 15) ? v : reg_get(x, x->reg, x->size));
	return true;
}

static bool do_setcc(struct x86 *x)
{
	x->size = 1;
	return fetch_modrm(x) && rm_put(x, condition(x, x->op & 15));
}

static bool increment(struct x86 *x)
{
	uint64_t carry = x->r.eflags & CF, a;

	if (!rm_get(x, x->size, &a))
		return false;
	uint64_t v = sum(x, (x->reg & 7) == 1, a & mask(x->size), 1, 0);
	set_flags(x, CF, carry);
	return rm_put(x, v);
}

/* inc, dec and push: the calls and jumps of these groups read pointers that others write. */
static bool do_group45(struct x86 *x)
{
	uint64_t v;

	byte_or_word(x);
	if (!fetch_modrm(x))
		return false;
	if ((x->reg & 7) <= 1)
		return increment(x);
	return x->op == 0xff && (x->reg & 7) == 6 && !x->word && rm_get(x, 8, &v) && push(x, v);
}

static bool jump_by(struct x86 *x, uint8_t len, bool taken)
{
	uint64_t offset;

	if (x->word || !fetch_signed(x, len, &offset))
		return false;
	if (taken)
		x->r.rip = offset;
	return true;
}

static bool do_jmp(struct x86 *x)
{
	return jump_by(x, x->op == 0xeb ? 1 : 4, true);
}

static bool do_jcc(struct x86 *x)
{
	return jump_by(x, x->op < 0x80 ? 1 : 4, condition(x, x->op & 15));
}

static bool do_call(struct x86 *x)
{
	return jump_by(x, 4, true) && !x->mem->has_shadow_stack(x->mem->ctx) && push(x, next_pc(x));
}

struct row {
	uint8_t first, last;
	bool (*run)(struct x86 *x);
};

/* clang-format off */
static const struct row one_byte[] = {
	{ 0x50, 0x57, do_push },	{ 0x58, 0x5f, do_pop },		{ 0x63, 0x63, do_movsxd },
	{ 0x68, 0x68, do_push_imm },	{ 0x6a, 0x6a, do_push_imm },	{ 0x70, 0x7f, do_jcc },
	{ 0x80, 0x81, do_alu_imm },	{ 0x83, 0x83, do_alu_imm },	{ 0x84, 0x85, do_test },
	{ 0x88, 0x8b, do_mov },		{ 0x8d, 0x8d, do_lea },		{ 0x90, 0x90, do_nop },
	{ 0x98, 0x99, do_convert },	{ 0xa8, 0xa9, do_test_acc },	{ 0xb0, 0xbf, do_mov_imm },
	{ 0xc6, 0xc7, do_mov_rm_imm },	{ 0xc9, 0xc9, do_leave },	{ 0xe8, 0xe8, do_call },
	{ 0xe9, 0xe9, do_jmp },		{ 0xeb, 0xeb, do_jmp },		{ 0xf6, 0xf7, do_group3 },
	{ 0xfe, 0xff, do_group45 },
};

static const struct row two_byte[] = {
	{ 0x1e, 0x1e, do_endbr },	{ 0x1f, 0x1f, do_long_nop },	{ 0x40, 0x4f, do_cmov },
	{ 0x80, 0x8f, do_jcc },		{ 0x90, 0x9f, do_setcc },	{ 0xb6, 0xb7, do_movx },
	{ 0xbe, 0xbf, do_movx },
};
/* clang-format on */

static bool run_row(struct x86 *x, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (x->op >= rows[i].first && x->op <= rows[i].last)
			return rows[i].run(x);
	return false;
}

/* Legacy prefixes and REX, which is the last of them; false: one that changes too much. */
static bool fetch_prefixes(struct x86 *x)
{
	uint64_t byte;

	for (;;) {
		if (!fetch(x, 1, &byte))
			return false;
		switch (byte) {
		case 0x66:
			x->word = true;
			break;
		case 0xf3:
			x->rep = (uint8_t)byte;
			break;
		case 0x26: /* segments that mean nothing here */
		case 0x2e:
		case 0x36:
		case 0x3e:
			break;
		default:
			if ((byte & 0xf0) == 0x40) {
				x->rex = (uint8_t)byte;
				return fetch(x, 1, &byte) && (x->op = (uint8_t)byte, true);
			}
			x->op = (uint8_t)byte;
			return true;
		}
	}
}

static bool run(struct x86 *x)
{
	uint64_t byte;

	if (!fetch_prefixes(x))
		return false;
	x->size = x->rex & REX_W ? 8 : x->word ? 2 : 4;
	if (x->op == 0x0f) {
		if (!fetch(x, 1, &byte) || (x->rep && byte != 0x1e))
			return false;
		x->op = (uint8_t)byte;
		return run_row(x, two_byte, sizeof(two_byte) / sizeof(two_byte[0]));
	}
	if (x->rep)
		return false;
	if (x->op < 0x40 && (x->op & 7) < 4)
		return do_alu(x);
	if (x->op < 0x40 && (x->op & 7) < 6)
		return do_alu_acc(x);
	return run_row(x, one_byte, sizeof(one_byte) / sizeof(one_byte[0]));
}

bool x86_emulate(const uint8_t *code, size_t len, struct user_regs_struct *r,
		 const struct x86_memory *mem)
{
	size_t n = len < X86_INSN_MAX ? len : X86_INSN_MAX;
	struct x86 x = {
		.code = code, .p = code, .end = code + n, .r = *r, .mem = mem, .start = r->rip
	};

	if (r->cs != USER_CS64)
		return false;
	x.r.rip = 0; /* how far it jumps */
	if (!run(&x))
		return false;
	x.r.rip += next_pc(&x);
	*r = x.r;
	return true;
}
