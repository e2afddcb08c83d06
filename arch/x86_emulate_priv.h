/* SPDX-License-Identifier: MIT */
/* What the parts of x86_emulate.h share: an instruction's operands, and its arithmetic. */
#ifndef ARCH_X86_EMULATE_PRIV_H
#define ARCH_X86_EMULATE_PRIV_H

#include "arch/x86_emulate.h"

enum { RAX = 0, RDX = 2, RSP = 4, RBP = 5 };
enum { CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, OF = 0x800 };
#define ARITHMETIC (CF | PF | AF | ZF | SF | OF)

enum { REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8 };

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

/* x86_operand.c.  False: there is no more code, or memory that this may touch. */
/* Numbered as in the code. */
uint64_t *x86_gpr(struct x86 *x, unsigned int n);
uint64_t x86_mask(uint8_t size);
uint64_t x86_sign_extend(uint64_t v, uint8_t size);
uint64_t x86_reg(struct x86 *x, unsigned int n, uint8_t size);
/* Four bytes clear the rest of the register, one and two leave it. */
void x86_reg_put(struct x86 *x, unsigned int n, uint8_t size, uint64_t v);
bool x86_fetch(struct x86 *x, size_t len, uint64_t *ret);
bool x86_fetch_signed(struct x86 *x, uint8_t len, uint64_t *ret);
/* An immediate of the operand size, 4 bytes at most. */
bool x86_fetch_imm(struct x86 *x, uint64_t *ret);
bool x86_fetch_modrm(struct x86 *x);
uint64_t x86_next_pc(const struct x86 *x);
/* The size of opcodes whose lowest bit tells bytes from words. */
void x86_byte_or_word(struct x86 *x);
bool x86_load(struct x86 *x, uint64_t addr, uint8_t size, uint64_t *ret);
/* All of the instruction has been read. */
uint64_t x86_rm_addr(const struct x86 *x);
bool x86_rm(struct x86 *x, uint8_t size, uint64_t *ret);
bool x86_rm_put(struct x86 *x, uint64_t v);
bool x86_push(struct x86 *x, uint64_t v);

/* x86_alu.c: values of x->size bytes; the flags are set as the instruction does. */
enum { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };
void x86_set_flags(struct x86 *x, uint64_t which, uint64_t flags);
/* Sum or difference of two values and a carry, with its flags. */
uint64_t x86_sum(struct x86 *x, bool minus, uint64_t a, uint64_t b, uint64_t carry);
uint64_t x86_alu(struct x86 *x, unsigned int op, uint64_t a, uint64_t b);
/* Appendix B, "EFLAGS Condition Codes". */
bool x86_condition(const struct x86 *x, unsigned int code);

#endif
