/* SPDX-License-Identifier: MIT */
/*
 * CPython's instructions: which byte is which, how long each is, and where the
 * evaluation loop keeps the addresses of their handlers.
 *
 * CPython 3.8 to 3.15: Include/opcode.h, Lib/opcode.py, Lib/_opcode_metadata.py,
 * Python/opcode_targets.h, Python/ceval.c.  An instruction is a code unit of two bytes,
 * opcode and argument, and code units that belong to it (caches, 3.11 and later).
 */
#ifndef QXFER_PYTHON_OPCODES_H
#define QXFER_PYTHON_OPCODES_H

#include "stub/base/space.h"

/* What a minor version has.  0: it has no such instruction; CACHE is 0 itself. */
struct py_opcodes {
	uint16_t minor; /* 0x030c */
	uint8_t nop, extended_arg, resume, resume_check, resume_quick, enter_executor;
	uint8_t instrumented_line, instrumented_instruction, instrumented_resume;
	uint8_t push_exc_info, return_generator, for_iter, send, yield_value;
	uint8_t undefined[256]; /* 1: no instruction */
	uint8_t begins[256];	/* 1: a statement's code may begin with it; of base forms */
	uint8_t deopt[256];	/* of a specialised instruction its base; 0: it is its own */
	/*
	 * Of an instruction that does the next one's work and skips it: what to have in its
	 * place so that it does not; 0: it is none.
	 */
	uint8_t single[256];
	uint8_t caches[256]; /* code units behind it */
};

/* By minor version. */
extern const struct py_opcodes py_opcodes_table[];
extern const size_t py_opcodes_rows;

/* NULL: this version's are not known. */
const struct py_opcodes *py_opcodes_find(uint32_t version_hex);

static inline uint8_t py_opcode_base(const struct py_opcodes *o, uint8_t op)
{
	return o->deopt[op] ? o->deopt[op] : op;
}

/* Bytes of the instruction with its caches. */
static inline uint32_t py_opcode_size(const struct py_opcodes *o, uint8_t op)
{
	return 2u + 2u * o->caches[op];
}

/* RESUME in any of its forms (3.11 and later). */
bool py_opcode_is_resume(const struct py_opcodes *o, uint8_t op);

/* The evaluation loop's table of handlers. */
struct py_handlers {
	uint64_t table;	  /* its address */
	uint64_t unknown; /* the handler of undefined opcodes */
	uint64_t target[256];
};

/*
 * Finds the table in the image of which @inside is an address: the 256 addresses in its
 * code of which those of the undefined opcodes, and no others, are the same.  3.15 has a
 * second table for tracing, where all the defined ones are one handler.
 * ERR_NOT_FOUND: a loop without such a table (no computed gotos), or another version's.
 */
struct err *py_handlers_find(const struct space *s, const struct py_opcodes *o, uint64_t inside,
			     struct py_handlers *ret) MUST_CHECK;

/* ---- instructions of one code object ---- */

#define PY_CODE_BYTES_MAX (1u << 24)

/*
 * Its instructions, as they are without anybody's breakpoints.
 */
struct py_instrs {
	const struct py_opcodes *opcodes;
	uint64_t at;	/* address of the first */
	uint8_t *bytes; /* `len' of them; owned */
	uint32_t len;
	uint8_t *starts; /* 1 at each offset / 2 where an instruction begins; owned */
};

/* The opcode that an INSTRUMENTED_LINE or _INSTRUCTION at an offset stands for; 0: not known. */
struct py_originals {
	uint8_t (*get)(void *arg, uint32_t offset);
	void *arg;
};

/* Reads @len bytes of instructions at @at.  @of may be NULL: nothing is instrumented. */
struct err *py_instrs_read(struct mem *m, const struct py_opcodes *o, uint64_t at, uint32_t len,
			   const struct py_originals *of, struct py_instrs *ret) MUST_CHECK;
void py_instrs_deinit(struct py_instrs *c);

/* Whether an instruction begins at @offset and is not the rest of an EXTENDED_ARG. */
bool py_instrs_begins(const struct py_instrs *c, uint32_t offset);
/* The instruction after the one at @offset; c->len: there is none. */
uint32_t py_instrs_next(const struct py_instrs *c, uint32_t offset);
/* The instruction before the one at @offset; c->len: there is none. */
uint32_t py_instrs_before(const struct py_instrs *c, uint32_t offset);

#endif
