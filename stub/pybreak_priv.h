/* SPDX-License-Identifier: MIT */
/* What the files pybreak*.c share. */
#ifndef STUB_PYBREAK_PRIV_H
#define STUB_PYBREAK_PRIV_H

#include <sys/user.h>

#include "qxfer/python/opcodes.h"
#include "qxfer/python/runtime.h"
#include "stub/pybreak.h"

#define CACHES_MAX 16u

/* An instruction that has our opcode in its place. */
struct place {
	uint64_t addr;	 /* of the instruction */
	uint64_t code;	 /* PyCodeObject */
	uint32_t offset; /* into the instructions */
	uint8_t mark;	 /* the undefined opcode */
	uint8_t op;	 /* what to execute instead */
	uint8_t arg;	 /* of the instruction */
	uint8_t caches;	 /* code units that were filled */
	uint8_t before_caches;
	uint64_t before; /* an instruction that would do this one's work too, changed; or 0 */
	uint32_t hits;	 /* since the counter was last set */
};

/* Somebody's wish to stop at a place. */
struct want {
	uint64_t addr; /* of the instruction that stands for it */
	uint64_t code;
	uint32_t offset; /* as asked for */
	enum pybreak_user user;
	pybreak_condition *holds;
	void *arg;
	uint64_t frame; /* PYBREAK_STEP: only in this one; STEP_OLDER; 0: any */
};

/* A stop that was or will be reported. */
struct stop {
	struct pybreak_hit hit;
	bool reported;
};

struct tstate {
	uint64_t tp, addr;
};

#define TSTATES 64u /* a power of two */

#define STEP_OLDER	1u /* in any of step.older */
#define STEP_FRAMES_MAX 64u

struct step {
	pid_t tid;	/* 0: there is none */
	uint64_t frame; /* in which it began */
	uint64_t older[STEP_FRAMES_MAX];
	size_t nolder;
	bool into;	/* entries are caught: the table's RESUMEs, to 3.10 `entry' */
	uint64_t stack; /* at those, of the loop that counts; 0: of any */
	uint64_t entry; /* the trap at the evaluation loop's first instruction; or 0 */
};

struct gone {
	enum pybreak_user user;
	uint64_t code;
	uint32_t offset;
};

struct pybreak {
	struct target *target;
	struct python *python;
	uint64_t epoch; /* of the process that the following is about; 0: of none */

	/* What is known of its Python, once `ready'. */
	bool ready;
	const struct py_opcodes *opcodes;
	struct py_offsets off;
	uint64_t runtime;
	struct py_handlers handlers;
	uint64_t lo, hi;   /* the evaluation loop's code, generously */
	uint64_t dealloc;  /* of code objects; 0: not known yet */
	uint64_t entry;	   /* to 3.10: of the evaluation loop; 0: not known */
	uint8_t mark[2];   /* undefined opcodes to use */
	unsigned int bias; /* how far past the instruction the loop's pointer is */
	uint16_t pointers; /* bit per register of `gprs': may be the loop's pointer */
	bool trapped;	   /* our traps are in */

	struct place *place; /* by address */
	size_t nplaces, places_cap;
	struct want *want; /* by address */
	size_t nwants, wants_cap;
	struct stop *stop; /* one of each thread at most */
	size_t nstops, stops_cap;
	struct gone *gone;
	size_t ngone, gone_cap;
	struct tstate tstates[TSTATES];
	struct step step;
};

/* ---- pybreak.c ---- */

/* Our traps: in, or out with nobody on the way to them. */
struct err *pybreak_trap(struct pybreak *pb) MUST_CHECK;
void pybreak_untrap(struct pybreak *pb);
/* Has the table of handlers send an instruction to our trap. */
struct err *pybreak_send(struct pybreak *pb, uint8_t op) MUST_CHECK;
void pybreak_send_back(struct pybreak *pb, uint8_t op);

/* ---- pybreak_place.c ---- */

struct place *pybreak_find(struct pybreak *pb, uint64_t addr);
/* The first want at or above @addr. */
size_t pybreak_first_want(const struct pybreak *pb, uint64_t addr);
struct err *pybreak_want(struct pybreak *pb, const struct want *w) MUST_CHECK;
/* The same at each instruction that @want says yes to; w->offset is of no use. */
struct err *pybreak_want_each(struct pybreak *pb, const struct want *w,
			      bool (*want)(void *arg, uint32_t offset), void *arg) MUST_CHECK;
/* Drops wants that @match says; then places that nobody wants any more. */
void pybreak_drop(struct pybreak *pb, bool (*match)(const struct want *w, const void *arg),
		  const void *arg);
/* Keeps the interpreter from making another instruction of it. */
void pybreak_freeze(struct pybreak *pb, struct place *p);
/* What is at @code: its instructions without anything of ours. */
struct err *pybreak_read_code(struct pybreak *pb, uint64_t code, struct py_instrs *ret) MUST_CHECK;
/* The place that stands for @offset. */
uint32_t pybreak_place_of(const struct pybreak *pb, const struct py_instrs *c, uint64_t code,
			  uint32_t offset);
/* The code object ends: nothing of it is touched any more. */
void pybreak_forget_code(struct pybreak *pb, uint64_t code);
/* Takes our opcode out of where sys.monitoring may have copied it to. */
void pybreak_clean_copies(const struct pybreak *pb, struct mem *m, const struct place *p);

/* ---- pybreak_hit.c ---- */

extern const struct target_catcher pybreak_catcher;
/* Gets threads that are on the way to our traps past them, since those go away. */
void pybreak_settle(struct pybreak *pb);
/* The innermost frame of a thread whose thread pointer is @tp, running @code; 0: unknown. */
uint64_t pybreak_frame(struct pybreak *pb, uint64_t tp, uint64_t code);

/* ---- pybreak_step.c ---- */

/* Whether the step lets its thread stop in @frame for @w. */
bool pybreak_step_agrees(const struct pybreak *pb, const struct want *w, pid_t tid, uint64_t frame);
/* @tid enters @frame: its instruction at @offset is the first. */
void pybreak_step_entered(struct pybreak *pb, pid_t tid, uint64_t frame, uint64_t code,
			  uint32_t offset);
/* To 3.10: what the evaluation loop was called with. */
void pybreak_step_called(struct pybreak *pb, pid_t tid, const struct user_regs_struct *r);

/* Past every cache. */
bool pybreak_raw_read(struct pybreak *pb, uint64_t addr, void *ret, size_t len);

static inline uint64_t pybreak_word(struct pybreak *pb, uint64_t addr)
{
	uint64_t v = 0;
	return pybreak_raw_read(pb, addr, &v, sizeof(v)) ? v : 0;
}

#endif
