/* SPDX-License-Identifier: MIT */
/* What lldb needs to call functions: registers kept here, memory mapped there. */
#include "rsp/threadid.h"
#include "stub/calls.h"
#include "stub/handlers.h"
#include "stub/session.h"

/* ";thread:TID;", or nothing: Hg's. */
static struct err *parse_thread(struct session *s, struct rsp_cursor *args, pid_t *ret)
{
	struct rsp_thread_id id = { 0, s->g_tid };

	if (cur_literal(args, ";thread:") && !rsp_thread_id_parse(args, &id))
		return err_new(ERR_PROTO, "malformed thread");
	(void)cur_char(args, ';');
	if (!cur_end(args))
		return err_new(ERR_PROTO, "malformed thread");
	if ((id.pid > 0 && id.pid != s->target->pid) || !target_has_thread(s->target, id.tid))
		return err_new(ERR_NOT_FOUND, "no thread %d", id.tid);
	*ret = id.tid;
	return NULL;
}

HANDLER(h_save_regs)
{
	struct session *s = session;
	uint32_t id;
	pid_t tid;

	struct err *err = parse_thread(s, args, &tid);
	if (!err)
		err = calls_save(&s->calls, s->target, tid, &id);
	if (!err)
		buf_printf(out, "%u", id);
	return err;
}

/* The number is decimal, as it was answered. */
static bool read_decimal(struct rsp_cursor *args, uint32_t *ret)
{
	uint64_t value = 0;
	const char *start = args->p;

	for (; args->p < args->end && *args->p >= '0' && *args->p <= '9'; args->p++) {
		value = value * 10 + (uint64_t)(*args->p - '0');
		if (value > UINT32_MAX)
			return false;
	}
	*ret = (uint32_t)value;
	return args->p > start;
}

HANDLER(h_restore_regs)
{
	struct session *s = session;
	uint32_t id;
	pid_t tid;

	if (!cur_char(args, ':') || !read_decimal(args, &id))
		return err_new(ERR_PROTO, "malformed QRestoreRegisterState");
	struct err *err = parse_thread(s, args, &tid);
	if (!err)
		err = calls_restore(&s->calls, s->target, tid, id);
	if (!err)
		buf_puts(out, "OK");
	return err;
}

/* _M SIZE,PERMISSIONS */
HANDLER(h_map_memory)
{
	static const struct {
		char letter;
		unsigned int prot;
	} letters[] = { { 'r', MAP_R }, { 'w', MAP_W }, { 'x', MAP_X } };
	struct session *s = session;
	uint64_t len, addr;
	unsigned int prot = 0;

	if (!cur_hex(args, &len) || !cur_char(args, ','))
		return err_new(ERR_PROTO, "malformed _M");
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (cur_char(args, letters[i].letter))
			prot |= letters[i].prot;
	if (!cur_end(args))
		return err_new(ERR_PROTO, "malformed _M");
	struct err *err = calls_map(&s->calls, s->target, len, prot, &addr);
	if (!err)
		buf_printf(out, "%llx", (unsigned long long)addr);
	return err;
}

HANDLER(h_unmap_memory)
{
	struct session *s = session;
	uint64_t addr;

	if (!cur_hex(args, &addr) || !cur_end(args))
		return err_new(ERR_PROTO, "malformed _m");
	struct err *err = calls_unmap(&s->calls, s->target, addr);
	if (!err)
		buf_puts(out, "OK");
	return err;
}
