/* SPDX-License-Identifier: MIT */
#include "tests/fake/rig.h"

#include <signal.h>
#include <stdlib.h>

#include "stub/files.h"

static const struct stop_event script[] = {
	{ FAKE_PID, STOP_SIGNAL, SIGTRAP, 0, 0, 1 },
	{ FAKE_PID + 1, STOP_SIGNAL, SIGSEGV, 0, 0, 0xffff },
	{ FAKE_PID, STOP_SWBREAK, SIGTRAP, 0, 0, 1 },
	{ FAKE_PID + 1, STOP_HWBREAK, SIGTRAP, 0, 0, 2 },
	{ FAKE_PID, STOP_WATCH, SIGTRAP, POINT_WRITE, 0x1008, 1 },
	{ FAKE_PID + 2, STOP_WATCH, SIGTRAP, POINT_ACCESS, 0x1010, 1 },
	{ FAKE_PID, STOP_EXEC, SIGTRAP, 0, 0, 1 },
	{ FAKE_PID, STOP_NO_RESUMED, 0, 0, 0, 1 },
	{ FAKE_PID, STOP_SIGNAL, SIGSTKFLT, 0, 0, 0xffff },
	{ FAKE_PID, STOP_KILLED, SIGKILL, 0, 0, 0xffff },
};

static void confine_files(struct rig *r)
{
	r->s.files = r->root < 0 ? NULL : files_create();
	if (r->s.files)
		files_confine(r->s.files, r->root);
}

void rig_init(struct rig *r, int root)
{
	static const uint64_t words[64] = { 0x1010, 0, 0x1020, 0xaa, 0x9000, 0xbb };
	const struct fake_region regions[] = {
		{ 0x1000, words, sizeof(words) },
		{ 0x7fff0000, words, sizeof(words) },
		{ -(uint64_t)MEM_PAGE, words, sizeof(words) },
	};
	const struct user_regs_struct gpr = { .rip = 0x1000, .rsp = 0x7fff0100, .eflags = 0x246 };

	*r = (struct rig){ .root = root };
	r->options.mode = MODE_ATTACH; /* so that nothing is ever started */
	r->options.no_host_io = root < 0;
	fake_init(&r->fake, regions, 3, &gpr);
	fake_add_thread(&r->fake, FAKE_PID + 1);
	fake_add_thread(&r->fake, FAKE_PID + 2);
	r->fake.script = script;
	r->fake.nscript = sizeof(script) / sizeof(script[0]);
	r->fake.root = root;
	session_init(&r->s, &r->fake.target, &r->options);
	session_open(&r->s);
	confine_files(r);
}

void rig_deinit(struct rig *r)
{
	session_close(&r->s);
	session_deinit(&r->s);
	fake_deinit(&r->fake);
}

void rig_reconnect(struct rig *r)
{
	session_close(&r->s);
	session_open(&r->s);
	confine_files(r);
}

void rig_settle(struct rig *r)
{
	for (int i = 0; r->s.running && i < 16; i++)
		session_target_event(&r->s);
	if (r->s.running)
		abort(); /* the fake always has an event */
}
