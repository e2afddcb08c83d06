/* SPDX-License-Identifier: MIT */
#include "qxfer/jit/insn.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "qxfer/jit/rows.h"

static struct insn insn_none(void)
{
	return (struct insn){ .op = INSN_BAD,
			      .len = 1,
			      .dst = JIT_NO_REG,
			      .src = JIT_NO_REG,
			      .base = JIT_NO_REG,
			      .index = JIT_NO_REG };
}

#ifdef HAVE_ZYDIS
#include <Zydis/Zydis.h>

/*
 * Opened when it is first asked, and not linked: archerfish is brought to machines and into
 * containers that have not got it, and does all the rest there.
 */
struct insn_decoder {
	void *library;
	__typeof__(ZydisDecoderDecodeFull) *decode;
	__typeof__(ZydisRegisterGetLargestEnclosing) *enclosing;
	ZydisDecoder zydis;
};

static void *open_zydis(void)
{
	char name[64];

	/* Its binary interface changes with the minor version. */
	snprintf(name, sizeof(name), "libZydis.so.%u.%u",
		 (unsigned int)ZYDIS_VERSION_MAJOR(ZYDIS_VERSION),
		 (unsigned int)ZYDIS_VERSION_MINOR(ZYDIS_VERSION));
	return dlopen(name, RTLD_NOW | RTLD_LOCAL);
}

bool insn_available(const char **why)
{
	void *library = open_zydis();

	*why = library ? NULL : "this machine has no libZydis, which decodes instructions";
	if (library)
		dlclose(library);
	return library != NULL;
}

struct insn_decoder *insn_decoder_create(void)
{
	struct insn_decoder *d = calloc(1, sizeof(*d));
	__typeof__(ZydisDecoderInit) *init = NULL;

	if (!d)
		return NULL;
	d->library = open_zydis();
	if (d->library) {
		*(void **)&init = dlsym(d->library, "ZydisDecoderInit");
		*(void **)&d->decode = dlsym(d->library, "ZydisDecoderDecodeFull");
		*(void **)&d->enclosing = dlsym(d->library, "ZydisRegisterGetLargestEnclosing");
	}
	if (init && d->decode && d->enclosing &&
	    ZYAN_SUCCESS(init(&d->zydis, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return d;
	insn_decoder_destroy(d);
	return NULL;
}

void insn_decoder_destroy(struct insn_decoder *d)
{
	if (d && d->library)
		dlclose(d->library);
	free(d);
}

/* Zydis has the registers in the order of their encoding. */
static uint8_t reg_number(ZydisRegister r)
{
	static const uint8_t by_id[] = { JIT_RAX, JIT_RCX, JIT_RDX, JIT_RBX, JIT_RSP, JIT_RBP,
					 JIT_RSI, JIT_RDI, JIT_R8,  JIT_R9,  JIT_R10, JIT_R11,
					 JIT_R12, JIT_R13, JIT_R14, JIT_R15 };
	if (r < ZYDIS_REGISTER_RAX || r > ZYDIS_REGISTER_R15)
		return JIT_NO_REG;
	return by_id[r - ZYDIS_REGISTER_RAX];
}

/* A part of a register changes it, as any other writing does. */
static uint8_t whole_register(const struct insn_decoder *d, ZydisRegister r)
{
	return reg_number(d->enclosing(ZYDIS_MACHINE_MODE_LONG_64, r));
}

static uint16_t written(const struct insn_decoder *d, const ZydisDecodedInstruction *in,
			const ZydisDecodedOperand *op)
{
	uint16_t mask = 0;
	for (unsigned int i = 0; i < in->operand_count; i++) {
		if (op[i].type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    !(op[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		uint8_t reg = whole_register(d, op[i].reg.value);
		if (reg != JIT_NO_REG)
			mask |= (uint16_t)(1u << reg);
	}
	return mask;
}

static void take_memory(const ZydisDecodedOperand *op, struct insn *ret)
{
	ret->plain = op->mem.index == ZYDIS_REGISTER_NONE && op->mem.segment != ZYDIS_REGISTER_FS &&
		     op->mem.segment != ZYDIS_REGISTER_GS;
	ret->base = reg_number(op->mem.base);
	ret->index = reg_number(op->mem.index);
	ret->disp = (int32_t)op->mem.disp.value;
}

static void take_operands(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op,
			  struct insn *ret)
{
	if (in->operand_count_visible > 0) {
		ret->to_memory = op[0].type == ZYDIS_OPERAND_TYPE_MEMORY;
		if (op[0].type == ZYDIS_OPERAND_TYPE_REGISTER)
			ret->dst = reg_number(op[0].reg.value);
		if (ret->to_memory)
			take_memory(&op[0], ret);
	}
	if (in->operand_count_visible > 1) {
		ret->from_memory = op[1].type == ZYDIS_OPERAND_TYPE_MEMORY;
		if (op[1].type == ZYDIS_OPERAND_TYPE_REGISTER)
			ret->src = reg_number(op[1].reg.value);
		if (ret->from_memory)
			take_memory(&op[1], ret);
	}
}

static void take_target(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op,
			struct insn *ret)
{
	ret->has_target = in->operand_count_visible > 0 &&
			  op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && op[0].imm.is_relative;
	if (ret->has_target)
		ret->target = in->length + op[0].imm.value.s;
}

/* What is pushed is in `src' as what is moved is. */
static void take_push(struct insn *ret)
{
	ret->src = ret->dst;
	ret->dst = JIT_NO_REG;
	ret->from_memory = ret->to_memory;
	ret->to_memory = false;
}

static void take_change(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op,
			struct insn *ret)
{
	bool known = ret->dst != JIT_NO_REG && op[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
		     in->mnemonic != ZYDIS_MNEMONIC_AND;
	if (ret->dst == JIT_NO_REG) {
		ret->op = INSN_OTHER;
		return;
	}
	ret->op = known ? INSN_ADD : INSN_CHANGE;
	if (known)
		ret->imm = (int32_t)(in->mnemonic == ZYDIS_MNEMONIC_SUB ? -op[1].imm.value.s
									: op[1].imm.value.s);
}

static const struct {
	ZydisMnemonic mnemonic;
	enum insn_op op;
} known[] = {
	{ ZYDIS_MNEMONIC_PUSH, INSN_PUSH },   { ZYDIS_MNEMONIC_PUSHFQ, INSN_PUSH },
	{ ZYDIS_MNEMONIC_POP, INSN_POP },     { ZYDIS_MNEMONIC_POPFQ, INSN_POP },
	{ ZYDIS_MNEMONIC_MOV, INSN_MOV },     { ZYDIS_MNEMONIC_LEA, INSN_LEA },
	{ ZYDIS_MNEMONIC_LEAVE, INSN_LEAVE }, { ZYDIS_MNEMONIC_CALL, INSN_CALL },
	{ ZYDIS_MNEMONIC_ADD, INSN_CHANGE },  { ZYDIS_MNEMONIC_SUB, INSN_CHANGE },
	{ ZYDIS_MNEMONIC_AND, INSN_CHANGE },  { ZYDIS_MNEMONIC_RET, INSN_END },
	{ ZYDIS_MNEMONIC_INT3, INSN_END },    { ZYDIS_MNEMONIC_UD2, INSN_END },
	{ ZYDIS_MNEMONIC_HLT, INSN_END },
};

static enum insn_op op_of(const ZydisDecodedInstruction *in)
{
	if (in->meta.category == ZYDIS_CATEGORY_UNCOND_BR)
		return INSN_JUMP;
	if (in->meta.category == ZYDIS_CATEGORY_COND_BR)
		return INSN_BRANCH;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].mnemonic == in->mnemonic)
			return known[i].op;
	return INSN_OTHER;
}

void insn_decode(const struct insn_decoder *d, const uint8_t *code, size_t len, struct insn *ret)
{
	ZydisDecodedInstruction in;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];

	*ret = insn_none();
	if (!ZYAN_SUCCESS(d->decode(&d->zydis, code, len, &in, op)))
		return;
	ret->op = (uint8_t)op_of(&in);
	ret->len = in.length;
	ret->writes = written(d, &in, op);
	ret->nop = in.mnemonic == ZYDIS_MNEMONIC_NOP;
	take_operands(&in, op, ret);
	switch (ret->op) {
	case INSN_JUMP:
	case INSN_BRANCH:
	case INSN_CALL:
		take_target(&in, op, ret);
		break;
	case INSN_PUSH:
		take_push(ret);
		break;
	case INSN_CHANGE:
		take_change(&in, op, ret);
		break;
	default:
		break;
	}
}

#else /* !HAVE_ZYDIS */

bool insn_available(const char **why)
{
	*why = "archerfish was built without Zydis, which decodes instructions";
	return false;
}

struct insn_decoder *insn_decoder_create(void)
{
	return NULL;
}

void insn_decoder_destroy(struct insn_decoder *d)
{
	(void)d;
}

void insn_decode(const struct insn_decoder *d, const uint8_t *code, size_t len, struct insn *ret)
{
	(void)d;
	(void)code;
	(void)len;
	*ret = insn_none();
}

#endif
