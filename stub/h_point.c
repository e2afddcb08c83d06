/* SPDX-License-Identifier: MIT */
/* Breakpoints and watchpoints: Z and z (GDB manual, "Packets"). */
#include "stub/breakif.h"
#include "stub/conditions.h"
#include "stub/handlers.h"
#include "stub/session.h"
#include "stub/trace.h"
#include "stub/view.h"

/* TYPE,ADDR,KIND; what may follow a Z is left in @args. */
static struct err *parse(struct rsp_cursor *args, enum point_type *type, uint64_t *addr,
			 uint64_t *kind)
{
	uint64_t number;

	if (!cur_hex(args, &number) || !cur_char(args, ',') || !cur_hex(args, addr) ||
	    !cur_char(args, ',') || !cur_hex(args, kind) || *kind > UINT32_MAX)
		return err_new(ERR_PROTO, "malformed breakpoint");
	if (number >= POINT_TYPES)
		return err_new(ERR_UNSUPPORTED, "no such type of breakpoint");
	*type = (enum point_type)number;
	return NULL;
}

/* At a line of Python. */
static struct err *insert_python(struct session *s, uint64_t addr, struct rsp_cursor *args)
{
	struct condition *fresh = NULL;

	struct err *err = condition_parse(args, &fresh);
	if (!err)
		err = conditions_set(s->conditions, POINT_SW, addr, fresh);
	if (err) {
		condition_free(fresh);
		return err;
	}
	/* Others may stop at the same instruction: it asks for all of them. */
	err = view_insert_point(s, addr, view_judge, s);
	if (err)
		err_drop(conditions_set(s->conditions, POINT_SW, addr, NULL));
	s->target->judge = trace_judge(s);
	return err;
}

static struct err *insert(struct session *s, enum point_type type, uint64_t addr, uint64_t kind,
			  struct rsp_cursor *args)
{
	struct condition *fresh = NULL;

	struct err *err = condition_parse(args, &fresh);
	if (!err)
		err = view_refuse_memory(s, addr, 1);
	if (!err)
		err = conditions_set(s->conditions, type, addr, fresh);
	if (err) {
		condition_free(fresh);
		return err;
	}
	err = s->target->point->insert(s->target, type, addr, (uint32_t)kind);
	if (err)
		err_drop(conditions_set(s->conditions, type, addr, NULL));
	else if (type == POINT_SW || type == POINT_HW)
		breakif_note(s, addr);
	if (!err && type == POINT_SW)
		view_note_point(s, addr, true);
	s->target->judge = trace_judge(s);
	return err;
}

static struct err *remove_native(struct session *s, enum point_type type, uint64_t addr,
				 uint64_t kind)
{
	if (type == POINT_SW)
		view_note_point(s, addr, false);
	if (type == POINT_SW && view_keeps_point(s, addr))
		return NULL;
	return s->target->point->remove(s->target, type, addr, (uint32_t)kind);
}

HANDLER(h_insert_point)
{
	struct session *s = session;
	enum point_type type;
	uint64_t addr, kind;

	struct err *err = parse(args, &type, &addr, &kind);
	if (err)
		return err;
	session_log(s, DEBUG_POINTS, "insert type %d at 0x%llx, kind %llu", (int)type,
		    (unsigned long long)addr, (unsigned long long)kind);
	if (type == POINT_SW && view_covers(s, addr, 1))
		err = insert_python(s, addr, args);
	else
		err = insert(s, type, addr, kind, args);
	if (!err)
		buf_puts(out, "OK");
	return err;
}

HANDLER(h_remove_point)
{
	struct session *s = session;
	enum point_type type;
	uint64_t addr, kind;

	struct err *err = parse(args, &type, &addr, &kind);
	if (!err && !cur_end(args))
		err = err_new(ERR_PROTO, "malformed breakpoint");
	if (!err)
		session_log(s, DEBUG_POINTS, "remove type %d at 0x%llx, kind %llu", (int)type,
			    (unsigned long long)addr, (unsigned long long)kind);
	if (!err && view_covers(s, addr, 1))
		err = view_remove_point(s, addr);
	else if (!err)
		err = remove_native(s, type, addr, kind);
	if (!err)
		err = conditions_set(s->conditions, type, addr, NULL);
	s->target->judge = trace_judge(s);
	if (!err)
		buf_puts(out, "OK");
	return err;
}
