/* SPDX-License-Identifier: MIT */
/*
 * What lldb asks that gdb does not: who and where we are, which process this is,
 * and what is mapped.  lldb's docs/resources/lldbgdbremote.md describes the packets.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "qxfer/host.h"
#include "qxfer/libraries.h"
#include "stub/handlers.h"
#include "stub/options.h"
#include "stub/session.h"
#include "stub/view.h"

static void put_hex_text(struct buf *out, const char *key, const char *text)
{
	buf_printf(out, "%s:", key);
	buf_put_hex(out, text, strlen(text));
	buf_puts(out, ";");
}

static void put_machine(const struct arch *a, struct buf *out)
{
	char triple[64];

	snprintf(triple, sizeof(triple), "%s-pc-linux-gnu", a->name);
	put_hex_text(out, "triple", triple);
	buf_printf(out, "ptrsize:%u;endian:%s;", a->addr_size, a->big_endian ? "big" : "little");
}

/* Only lldb says it: from now on it names the thread behind each request about registers. */
HANDLER(h_thread_suffix)
{
	struct session *s = session;
	(void)args;

	s->peer.lldb = true;
	buf_puts(out, "OK");
	return NULL;
}

HANDLER(h_list_threads_in_stop)
{
	struct session *s = session;
	(void)args;

	s->list_threads = true;
	buf_puts(out, "OK");
	return NULL;
}

/* Errors as "Enn;HEX OF THE TEXT" from now on. */
HANDLER(h_error_strings)
{
	struct session *s = session;
	(void)args;

	s->error_strings = true;
	buf_puts(out, "OK");
	return NULL;
}

HANDLER(h_host_info)
{
	struct session *s = session;
	struct utsname host;
	unsigned int major = 0, minor = 0, patch = 0;
	(void)args;

	put_machine(s->target->arch, out);
	buf_printf(out, "watchpoint_exceptions_received:after;vm-page-size:%ld;",
		   sysconf(_SC_PAGESIZE));
	if (uname(&host) != 0)
		return NULL;
	put_hex_text(out, "hostname", host.nodename);
	put_hex_text(out, "os_kernel", host.version);
	if (sscanf(host.release, "%u.%u.%u", &major, &minor, &patch) >= 2)
		buf_printf(out, "os_version:%u.%u.%u;", major, minor, patch);
	put_hex_text(out, "os_build", host.release);
	return NULL;
}

/* The numbers after "NAME:" in the text of /proc/PID/status; false: it has no such line. */
static bool status_numbers(const char *text, const char *name, unsigned long *ret, size_t n)
{
	size_t len = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) != 0 || line[len] != ':')
			continue;
		char *at = (char *)(uintptr_t)line + len + 1;
		for (size_t i = 0; i < n; i++)
			ret[i] = strtoul(at, &at, 10);
		return true;
	}
	return false;
}

static void put_owners(pid_t pid, struct buf *out)
{
	_cleanup_buf_ struct buf status = { 0 };
	unsigned long parent = 0, uid[2], gid[2];
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (!host_text(path, &status))
		return;
	const char *text = (const char *)status.data;
	if (status_numbers(text, "PPid", &parent, 1))
		buf_printf(out, "parent-pid:%lx;", parent);
	if (status_numbers(text, "Uid", uid, 2))
		buf_printf(out, "real-uid:%lx;effective-uid:%lx;", uid[0], uid[1]);
	if (status_numbers(text, "Gid", gid, 2))
		buf_printf(out, "real-gid:%lx;effective-gid:%lx;", gid[0], gid[1]);
}

HANDLER(h_process_info)
{
	struct session *s = session;
	(void)args;

	buf_printf(out, "pid:%x;", (unsigned int)s->target->pid);
	put_owners(s->target->pid, out);
	put_machine(s->target->arch, out);
	buf_puts(out, "ostype:linux;");
	return NULL;
}

HANDLER(h_server_version)
{
	(void)session;
	(void)args;
	buf_printf(out, "name:archerfish;version:%s;", OPTIONS_VERSION);
	return NULL;
}

HANDLER(h_echo)
{
	(void)session;
	if (!cur_char(args, ':'))
		return err_new(ERR_PROTO, "malformed qEcho");
	buf_puts(out, "qEcho:");
	buf_put(out, args->p, cur_left(args));
	return NULL;
}

/* There are four, and a watched range is one, two, four or eight bytes on its own boundary. */
HANDLER(h_watchpoint_support)
{
	struct session *s = session;
	(void)args;

	buf_printf(out, "num:%u;", s->target->arch->watchpoints);
	return NULL;
}

HANDLER(h_shlib_info)
{
	struct session *s = session;
	uint64_t slot;
	(void)args;

	struct err *err = libraries_debug_slot(s->target, &slot);
	if (!err)
		buf_printf(out, "%llx", (unsigned long long)slot);
	return err;
}

/* The first mapping that ends above @addr; NULL: there is none. */
static const struct map *map_at_or_above(const struct maps *maps, uint64_t addr)
{
	size_t lo = 0, hi = maps->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (maps->map[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < maps->n ? &maps->map[lo] : NULL;
}

static void put_region(const struct map *m, struct buf *out)
{
	buf_printf(out, "start:%llx;size:%llx;permissions:%s%s%s;", (unsigned long long)m->start,
		   (unsigned long long)(m->end - m->start), m->prot & MAP_R ? "r" : "",
		   m->prot & MAP_W ? "w" : "", m->prot & MAP_X ? "x" : "");
	if (!m->path)
		return;
	if (m->path[0])
		put_hex_text(out, "name", m->path);
	if (strcmp(m->path, "[stack]") == 0)
		buf_puts(out, "type:stack;");
	else if (strcmp(m->path, "[heap]") == 0)
		buf_puts(out, "type:heap;");
}

/*
 * A hole is a region too, without permissions, up to the next mapping or to the last
 * address: lldb walks the whole address space so, and ends where a region ends there.
 */
HANDLER(h_memory_region)
{
	struct session *s = session;
	const struct space *space;
	uint64_t addr;

	if (!cur_char(args, ':') || !cur_hex(args, &addr) || !cur_end(args))
		return err_new(ERR_PROTO, "malformed qMemoryRegionInfo");
	if (addr == UINT64_MAX)
		return err_new(ERR_NOT_FOUND, "nothing is above the last address");
	struct err *err = target_space(s->target, &space);
	if (err)
		return err;
	const struct map *m = map_at_or_above(space->maps, addr);
	struct map python = { .prot = MAP_R | MAP_X, .path = NULL };
	if (view_region(s, addr, &python.start, &python.end) && !(m && m->start < python.start))
		m = &python;
	if (m && m->start <= addr)
		put_region(m, out);
	else
		buf_printf(out, "start:%llx;size:%llx;", (unsigned long long)addr,
			   (unsigned long long)((m ? m->start : UINT64_MAX) - addr));
	return NULL;
}
