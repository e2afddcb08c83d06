/* SPDX-License-Identifier: MIT */
/* Intel SDM volume 2, appendix A, "Opcode Map". */
#include "arch/x86_emulate_priv.h"

#define USER_CS64 0x33u

/* ---- instructions; one that fails has changed no memory, and its registers are dropped ---- */

static bool alu_to_rm(struct x86 *x, unsigned int op, uint64_t b)
{
	uint64_t a;

	if (!x86_rm(x, x->size, &a))
		return false;
	uint64_t v = x86_alu(x, op, a, b);
	return op == ALU_CMP || x86_rm_put(x, v);
}

static bool do_alu(struct x86 *x)
{
	uint64_t b;

	x86_byte_or_word(x);
	if (!x86_fetch_modrm(x))
		return false;
	if (!(x->op & 2))
		return alu_to_rm(x, x->op >> 3 & 7, x86_reg(x, x->reg, x->size));
	if (!x86_rm(x, x->size, &b))
		return false;
	uint64_t v = x86_alu(x, x->op >> 3 & 7, x86_reg(x, x->reg, x->size), b);
	if ((x->op >> 3 & 7) != ALU_CMP)
		x86_reg_put(x, x->reg, x->size, v);
	return true;
}

static bool do_alu_acc(struct x86 *x)
{
	uint64_t b;

	x86_byte_or_word(x);
	if (!x86_fetch_imm(x, &b))
		return false;
	uint64_t v = x86_alu(x, x->op >> 3 & 7, x86_reg(x, RAX, x->size), b);
	if ((x->op >> 3 & 7) != ALU_CMP)
		x86_reg_put(x, RAX, x->size, v);
	return true;
}

static bool do_alu_imm(struct x86 *x)
{
	uint64_t b;

	x86_byte_or_word(x);
	return x86_fetch_modrm(x) &&
	       (x->op == 0x83 ? x86_fetch_signed(x, 1, &b) : x86_fetch_imm(x, &b)) &&
	       alu_to_rm(x, x->reg & 7, b);
}

static bool do_test(struct x86 *x)
{
	uint64_t a;

	x86_byte_or_word(x);
	if (!x86_fetch_modrm(x) || !x86_rm(x, x->size, &a))
		return false;
	(void)x86_alu(x, ALU_AND, a, x86_reg(x, x->reg, x->size));
	return true;
}

static bool do_test_acc(struct x86 *x)
{
	uint64_t b;

	x86_byte_or_word(x);
	if (!x86_fetch_imm(x, &b))
		return false;
	(void)x86_alu(x, ALU_AND, x86_reg(x, RAX, x->size), b);
	return true;
}

/* test with an immediate, the first of group 3. */
static bool do_group3(struct x86 *x)
{
	uint64_t a, b;

	x86_byte_or_word(x);
	if (!x86_fetch_modrm(x) || (x->reg & 7) != 0 || !x86_fetch_imm(x, &b) ||
	    !x86_rm(x, x->size, &a))
		return false;
	(void)x86_alu(x, ALU_AND, a, b);
	return true;
}

static bool do_mov(struct x86 *x)
{
	uint64_t v;

	x86_byte_or_word(x);
	if (!x86_fetch_modrm(x))
		return false;
	if (!(x->op & 2))
		return x86_rm_put(x, x86_reg(x, x->reg, x->size));
	if (!x86_rm(x, x->size, &v))
		return false;
	x86_reg_put(x, x->reg, x->size, v);
	return true;
}

static bool do_mov_imm(struct x86 *x)
{
	uint64_t v;

	if (x->op < 0xb8)
		x->size = 1;
	if (!x86_fetch(x, x->size, &v))
		return false;
	x86_reg_put(x, (x->op & 7) | (x->rex & REX_B ? 8u : 0u), x->size, v);
	return true;
}

static bool do_mov_rm_imm(struct x86 *x)
{
	uint64_t v;

	x86_byte_or_word(x);
	return x86_fetch_modrm(x) && (x->reg & 7) == 0 && x86_fetch_imm(x, &v) && x86_rm_put(x, v);
}

/* @from bytes, extended to the operand size. */
static bool move_extended(struct x86 *x, uint8_t from, bool is_signed)
{
	uint64_t v;

	if (!x86_fetch_modrm(x) || !x86_rm(x, from, &v))
		return false;
	x86_reg_put(x, x->reg, x->size, is_signed ? x86_sign_extend(v, from) : v);
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
	if (!x86_fetch_modrm(x) || !x->in_memory)
		return false;
	x86_reg_put(x, x->reg, x->size, x86_rm_addr(x));
	return true;
}

static bool do_push(struct x86 *x)
{
	return !x->word && x86_push(x, *x86_gpr(x, (x->op & 7) | (x->rex & REX_B ? 8u : 0u)));
}

static bool do_push_imm(struct x86 *x)
{
	uint64_t v;
	return !x->word && x86_fetch_signed(x, x->op == 0x6a ? 1 : 4, &v) && x86_push(x, v);
}

static bool do_pop(struct x86 *x)
{
	uint64_t v;

	if (x->word || !x86_load(x, x->r.rsp, 8, &v))
		return false;
	x->r.rsp += 8;
	*x86_gpr(x, (x->op & 7) | (x->rex & REX_B ? 8u : 0u)) = v;
	return true;
}

static bool do_leave(struct x86 *x)
{
	uint64_t v;

	if (x->word || !x86_load(x, x->r.rbp, 8, &v))
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
	return x86_fetch_modrm(x);
}

/* endbr64; others of this opcode have to do with shadow stacks. */
static bool do_endbr(struct x86 *x)
{
	uint64_t modrm;
	return x->rep == 0xf3 && x86_fetch(x, 1, &modrm) && modrm == 0xfa;
}

static bool do_convert(struct x86 *x)
{
	if (x->op == 0x98)
		x86_reg_put(x, RAX, x->size, x86_sign_extend(x->r.rax, x->size / 2));
	else
		x86_reg_put(x, RDX, x->size, x->r.rax >> (8 * x->size - 1) & 1 ? ~0ull : 0);
	return true;
}

static bool do_cmov(struct x86 *x)
{
	uint64_t v;

	if (!x86_fetch_modrm(x) || !x86_rm(x, x->size, &v))
		return false;
	/* Moved or not, 32 bits clear the upper half. */
	x86_reg_put(x, x->reg, x->size,
		    x86_condition(x, x->op & 15) ? v : x86_reg(x, x->reg, x->size));
	return true;
}

static bool do_setcc(struct x86 *x)
{
	x->size = 1;
	return x86_fetch_modrm(x) && x86_rm_put(x, x86_condition(x, x->op & 15));
}

static bool increment(struct x86 *x)
{
	uint64_t carry = x->r.eflags & CF, a;

	if (!x86_rm(x, x->size, &a))
		return false;
	uint64_t v = x86_sum(x, (x->reg & 7) == 1, a & x86_mask(x->size), 1, 0);
	x86_set_flags(x, CF, carry);
	return x86_rm_put(x, v);
}

/* inc, dec and push: the calls and jumps of these groups read pointers that others write. */
static bool do_group45(struct x86 *x)
{
	uint64_t v;

	x86_byte_or_word(x);
	if (!x86_fetch_modrm(x))
		return false;
	if ((x->reg & 7) <= 1)
		return increment(x);
	return x->op == 0xff && (x->reg & 7) == 6 && !x->word && x86_rm(x, 8, &v) && x86_push(x, v);
}

static bool jump_by(struct x86 *x, uint8_t len, bool taken)
{
	uint64_t offset;

	if (x->word || !x86_fetch_signed(x, len, &offset))
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
	return jump_by(x, x->op < 0x80 ? 1 : 4, x86_condition(x, x->op & 15));
}

static bool do_call(struct x86 *x)
{
	return jump_by(x, 4, true) && !x->mem->has_shadow_stack(x->mem->ctx) &&
	       x86_push(x, x86_next_pc(x));
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
		if (!x86_fetch(x, 1, &byte))
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
				return x86_fetch(x, 1, &byte) && (x->op = (uint8_t)byte, true);
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
		if (!x86_fetch(x, 1, &byte) || (x->rep && byte != 0x1e))
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
	x.r.rip += x86_next_pc(&x);
	*r = x.r;
	return true;
}
