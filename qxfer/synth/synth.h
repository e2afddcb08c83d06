/* SPDX-License-Identifier: MIT */
/*
 * The synthetic library: Python's code objects as a debugger knows compiled code.
 *
 * Each code object becomes a function of a shared object that exists for the debugger
 * alone: one synthetic byte for each byte of bytecode, with symbols, DWARF (functions,
 * line table, variables) and unwinding rules.  A Python frame is then a program counter
 * in it, a descriptor and slots for its variables, which the caller provides
 * (struct synth_descriptor), and a stock debugger unwinds, lists and names it by itself.
 *
 * Nothing here reads the inferior.  Code objects are registered (synth_add()) as they are
 * seen and get their addresses at once, for good; synth_commit() makes an image of those
 * that are new, a *generation*: one more library in the debugger's list.  What was
 * committed never changes.  A code object is known by its address and by a fingerprint of
 * all else about it, so another one at an address that was freed is another function, and
 * a pc never shows what used to be at an address.
 *
 * Every text is taken to be hostile: any bytes but NUL are accepted.  Control characters
 * in names of functions and variables are shown as \xNN; paths stay as they are, for the
 * client opens them.
 *
 * Cost: about 1 us for each synth_add() of what is known already; synth_commit() is linear in
 * what is new (10,000 functions of 60 rows and 420 bytes: 50 ms, 7 MB); a lookup by address or pc
 * is logarithmic, one by line or name goes through all that a file or the synth has.
 * Bounds: below.
 */
#ifndef QXFER_SYNTH_SYNTH_H
#define QXFER_SYNTH_SYNTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stub/base/buf.h"
#include "stub/base/err.h"

#define SYNTH_FUNCTIONS_MAX   32768u	    /* registered at one time */
#define SYNTH_GENERATIONS_MAX 256u	    /* committed at one time */
#define SYNTH_BYTES_MAX	      (256u << 20)  /* of images and copies together */
#define SYNTH_TEXT_MAX	      (32u << 20)   /* bytes of bytecode in one generation */
#define SYNTH_CODE_MAX	      (4u << 20)    /* bytes of bytecode of one code object */
#define SYNTH_ROWS_MAX	      (1u << 20)    /* of one code object */
#define SYNTH_VARIABLES_MAX   4096u	    /* of one code object; further ones are left out */
#define SYNTH_NAME_MAX	      1024u	    /* bytes of a function's or variable's name: cut */
#define SYNTH_PATH_MAX	      4096u	    /* bytes of a file's name: cut */
#define SYNTH_SPACING	      0x10000000ull /* between the addresses of two generations */
/* What all generations together can take, from synth_options.base on. */
#define SYNTH_SPAN	      (SYNTH_SPACING * SYNTH_GENERATIONS_MAX)

/* Where they lie unless something else does: 1 TB below what the kernel hands out. */
#define SYNTH_BASE 0x7e0000000000ull

/* ---- what is given ---- */

/* Bytecode of [start, end) belongs to @line; line < 1: to none. */
struct synth_row {
	uint32_t start, end;
	int32_t line;
};

struct synth_variable {
	const char *name;
	bool argument;
};

/*
 * A code object.  Rows may come in any order, overlap, be empty or leave gaps: where two
 * claim a byte, the one that begins first has it (of two that begin together the one given
 * first); a byte of no line is shown with the line before it, or first_line.  (A debugger
 * that meets code without a line does not step through it.)
 */
struct synth_code {
	uint64_t addr;
	const char *name, *qualname, *file; /* qualname NULL: as name */
	int32_t first_line;
	uint32_t len; /* bytes of bytecode */
	const struct synth_row *rows;
	size_t nrows;
	const struct synth_variable *variables; /* slot i of a frame is variables[i] */
	size_t nvariables;
};

struct synth_options {
	uint64_t base;	       /* SYNTH_BASE; a multiple of 4096; SYNTH_SPAN bytes are ours */
	const char *directory; /* the inferior's working directory, for relative files; or NULL */
	/*
	 * The program has no symbol `main': gdb would take a Python function of that name for
	 * it, and end each stack there.
	 */
	bool no_main;
	uint16_t machine; /* EM_X86_64 or EM_AARCH64: whose registers the rules name */
	bool jit;	  /* with __jit_debug_register_code and __jit_debug_descriptor */
	/*
	 * Whether a function of C is called so: "getenv" must stay that one to a debugger's user
	 * who calls it, so Python's is named after its file, "os.getenv", and a method
	 * that is called so has its qualified name alone.  NULL: none is.
	 */
	bool (*is_taken)(void *ctx, const char *name);
	void *ctx;
};

/* ---- what comes of it ---- */

/* A function of the library.  Lent by the synth until synth_clear(). */
struct synth_function {
	struct synth_code code; /* copies; rows as they are shown: sorted, whole, with lines */
	uint64_t fingerprint;
	uint64_t pc;	     /* of its first byte; code.len bytes long */
	uint32_t number;     /* from 1; its symbol is py.QUALNAME.NUMBER */
	uint32_t generation; /* the number of its library, which may not be committed yet */
	bool stale;	     /* another code object is at code.addr now */
};

/* One shared object.  Lent until synth_clear(). */
struct synth_generation {
	uint32_t number;      /* from 1 */
	char name[32];	      /* "py-1.so" */
	const uint8_t *bytes; /* the file */
	size_t len;
	/*
	 * For libraries-svr4: l_addr, lm and l_ld.  The first @mapped bytes of the file are
	 * to be seen in memory at l_addr (a struct link_map at lm among them).
	 */
	uint64_t l_addr, lm, l_ld;
	size_t mapped;
};

enum synth_kind {
	SYNTH_FUNCTION,
	SYNTH_ROOT,	    /* the caller of a thread's outermost Python frame */
	SYNTH_BRIDGE,	    /* from the last Python frame of a mixed stack back to C */
	SYNTH_JIT_REGISTER, /* __jit_debug_register_code */
};

/* What a synthetic pc is. */
struct synth_place {
	enum synth_kind kind;
	const struct synth_function *function; /* NULL unless kind is SYNTH_FUNCTION */
	uint32_t offset;		       /* into the bytecode: lasti, or within its unit */
	int32_t line;
	uint64_t start, end; /* the pcs around it that belong to the same line */
};

/*
 * How a frame is found from its stack pointer (the unwinding rule of every function but
 * the root): at sp << SYNTH_DESCRIPTOR_SHIFT the debugger reads this.  A thread's frames
 * need distinct sp that rise towards the callers; addresses that high can't be the
 * inferior's.  lldb unwinds the innermost frame by the code's bytes instead, by which
 * nothing was pushed: for it the word at rsp must be ra as well, and cfa be rsp + 8.
 */
#define SYNTH_DESCRIPTOR_SHIFT 6
struct synth_descriptor {
	uint64_t cfa;	 /* and the caller's rsp, where its own descriptor is found */
	uint64_t ra;	 /* the caller's pc: synth_pc(.., true), synth_root(), or C's */
	uint64_t locals; /* slot i is at locals - SYNTH_SLOT * (i + 1) */
};

/*
 * What a variable's slot holds; the debugger's type of it is char *.  In gdb's expressions its
 * name stands for more: a macro of its file (qxfer/synth/macros.c) makes it the number where
 * there is one, so that "i == 500" and "done == True" mean what they say.  gdb compiles that
 * for the stub to evaluate.
 */
#define SYNTH_SLOT 32
enum synth_value {
	SYNTH_TEXT,   /* whatever is no other one */
	SYNTH_NUMBER, /* an int of 64 bits */
	SYNTH_TRUTH,  /* False is 0, True is 1 */
	SYNTH_NONE,   /* SYNTH_NONE_NUMBER */
};
#define SYNTH_NONE_NUMBER (-0x7fffb1919191ffffll) /* of None in an expression: unlikely */
struct synth_slot {
	uint64_t text; /* address of its repr, which a NUL ends */
	uint64_t len;
	int64_t number; /* 0 of a text */
	uint64_t kind;	/* enum synth_value */
};

/* The number and kind of what is shown as @repr: "-12", "True", "None". */
void synth_slot_parse(const char *repr, struct synth_slot *ret);

/* ---- */

struct synth;

struct err *synth_create(const struct synth_options *options, struct synth **ret) MUST_CHECK;
void synth_destroy(struct synth *s);

/*
 * Forgets all of it; names and addresses go on where they were, so that a debugger takes no
 * later library for an earlier one (addresses come round when the span is used up).  For
 * a new program in the process, and when synth_add() says that it is full.
 */
void synth_clear(struct synth *s);

/*
 * Registers a code object, or finds it if it is known: *@ret is lent until synth_clear().
 * ERR_STATE: full.  ERR_BAD_DATA: @code is too long to be one.  ERR_NOMEM.
 */
struct err *synth_add(struct synth *s, const struct synth_code *code,
		      const struct synth_function **ret) MUST_CHECK;

/* Whether functions were added that no generation has yet. */
bool synth_is_pending(const struct synth *s);

/*
 * Makes a generation of what is pending; *@ret is NULL if nothing is.  On an error nothing
 * has changed.  The first generation also has the root, the bridge and (by option) the
 * JIT interface.
 */
struct err *synth_commit(struct synth *s, const struct synth_generation **ret) MUST_CHECK;

/* The generations, oldest first. */
size_t synth_generation_count(const struct synth *s);
const struct synth_generation *synth_generation_at(const struct synth *s, size_t i);
/* By its name, with or without folders before it; NULL: none. */
const struct synth_generation *synth_generation_named(const struct synth *s, const char *name);

/* As much of [addr, addr + len) as committed images hold in memory; bytes read. */
size_t synth_read(const struct synth *s, uint64_t addr, void *buf, size_t len);

/* ---- both ways ---- */

/* The function of the code object at @addr that was added last; NULL: none. */
const struct synth_function *synth_find(const struct synth *s, uint64_t addr);

/*
 * The pc of a frame that is at @lasti (bytes; below 0: not begun).  @caller: of a frame
 * that has called, whose debugger looks up the byte before its return address.
 */
uint64_t synth_pc(const struct synth_function *f, int32_t lasti, bool caller);

/* The other way; false: no such pc.  The pc after a function's last byte is its end too. */
bool synth_find_pc(const struct synth *s, uint64_t pc, struct synth_place *ret);

/*
 * The addresses of what the first generation has besides functions, known before it is
 * committed; they move by synth_clear().  0: not by these options.
 */
uint64_t synth_root(const struct synth *s);
uint64_t synth_bridge(const struct synth *s);
uint64_t synth_jit_register(const struct synth *s);
uint64_t synth_jit_descriptor(const struct synth *s);

/*
 * Visits each function that is not stale and has a row of @line in @file (compared by whole
 * path components from the end: "b/c.py" and "c.py" find "/a/b/c.py"), with the pc of the
 * first such row.  @visit returns false to end it.
 */
typedef bool (*synth_visit)(void *arg, const struct synth_function *f, uint64_t pc);
void synth_find_line(const struct synth *s, const char *file, int32_t line, synth_visit visit,
		     void *arg);
/* The same for functions whose name or qualname is @name, with the pc past their def. */
void synth_find_name(const struct synth *s, const char *name, synth_visit visit, void *arg);

#endif
