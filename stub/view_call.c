/* SPDX-License-Identifier: MIT */
/*
 * A client that would send a real thread to a synthetic function, where nothing is.
 *
 * A jump is refused.  A call is not: gdb sets the pc last, and were that refused it would leave
 * the other registers as they are for the call.  So the function returns at once, and the
 * user is told that it was not called.  lldb saves registers and restores them itself.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "stub/view_priv.h"

#define DWARF_RAX  0
#define DUMMY_ROOM 256u /* gdb's calls return to the stack, just above where they begin */

static const char *name_at(struct session *s, uint64_t pc)
{
	struct synth_place place;
	bool known = s->view->synth && synth_find_pc(s->view->synth, pc, &place);
	return known && place.function ? place.function->code.qualname : "what is there";
}

static uint16_t by_dwarf(const struct arch *a, int dwarf)
{
	uint16_t i = 0;
	while (i < a->nregs && a->regs[i].dwarf != dwarf)
		i++;
	return i;
}

static struct err *set(struct session *s, pid_t tid, uint16_t regnum, uint64_t v)
{
	uint8_t value[REG_MAX] = { 0 };
	memcpy(value, &v, sizeof(v));
	return target_reg_set(s->target, tid, regnum, value);
}

/* Where the call that gdb prepared returns to; false: it prepared none. */
static bool find_return(struct session *s, pid_t tid, uint64_t *sp, uint64_t *ret)
{
	uint16_t regnum = by_dwarf(s->target->arch, (int)SPACE_REG_SP);
	struct err *err = view_reg_uint(s, tid, regnum, sp);
	if (!err)
		err = mem_ptr(&s->target->mem, *sp, ret);
	err_drop(err); /* then it is no call */
	return !err && *ret >= *sp && *ret - *sp < DUMMY_ROOM;
}

static struct err *return_at_once(struct session *s, pid_t tid, uint64_t sp, uint64_t to)
{
	const struct arch *a = s->target->arch;
	struct err *err = set(s, tid, by_dwarf(a, DWARF_RAX), 0);
	if (!err)
		err = set(s, tid, by_dwarf(a, (int)SPACE_REG_SP), sp + 8);
	return err ? err : set(s, tid, a->pc, to);
}

struct err *view_send_thread(struct session *s, pid_t tid, uint64_t pc, bool *done)
{
	uint64_t sp, to;

	*done = false;
	if (view_is_virtual(tid))
		return NULL;
	if (!view_covers(s, pc, 1)) {
		if (s->view && s->view->posed && s->view->posed->loop.tid == tid)
			s->view->posed = NULL;
		return NULL;
	}
	struct err *err = view_return_send(s, tid, pc, done);
	if (err || *done)
		return err;
	*done = true;
	if (find_return(s, tid, &sp, &to)) {
		s->view->called = pc; /* text can be sent while the client waits for a stop */
		return return_at_once(s, tid, sp, to);
	}
	return err_new(ERR_STATE, "%.60s is a function of Python: no thread can go to 0x%" PRIx64,
		       name_at(s, pc), pc);
}

void view_resumes(struct session *s)
{
	char text[256];

	if (!s->view || !s->view->called)
		return;
	int n = snprintf(text, sizeof(text),
			 "%.100s is a function of Python: it was not called, and any value of it "
			 "is made up.\n",
			 name_at(s, s->view->called));
	session_print(s, text, (size_t)n);
	s->view->called = 0;
}
