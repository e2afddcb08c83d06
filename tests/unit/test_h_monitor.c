/* SPDX-License-Identifier: MIT */
#include "tests/unit/bench.h"

static struct bench bench;

static void setup(void)
{
	bench_init(&bench, NULL, 0);
}

static void teardown(void)
{
	bench_deinit(&bench);
}

static uint8_t unhex(const uint8_t *p)
{
	unsigned int byte = 0;
	cr_assert_eq(sscanf((const char *)p, "%2x", &byte), 1);
	return (uint8_t)byte;
}

/* What `monitor LINE' prints; the packet after it is left in bench.reply. */
static const char *monitor(const char *line, struct buf *printed)
{
	_cleanup_buf_ struct buf packet = { 0 };
	size_t at = 0;

	buf_puts(&packet, "qRcmd,");
	buf_put_hex(&packet, line, strlen(line));
	buf_clear(&bench.s.tx);
	buf_clear(printed);
	wire_send(&bench.s, packet.data, packet.len);
	while (wire_next(&bench.s.tx, &at, &bench.reply)) {
		const struct buf *r = &bench.reply;
		if (r->len < 3 || r->data[0] != 'O' || r->data[1] == 'K')
			break;
		for (size_t i = 1; i + 1 < r->len; i += 2) {
			uint8_t byte = unhex(r->data + i);
			buf_put(printed, &byte, 1);
		}
	}
	cr_assert_eq(at, bench.s.tx.len, "packets after the last");
	buf_put(&bench.reply, "", 1);
	buf_put(printed, "", 1);
	return (const char *)printed->data;
}

#define assert_monitor(line, text, last)                                            \
	do {                                                                        \
		_cleanup_buf_ struct buf printed = { 0 };                           \
		cr_assert_str_eq(monitor(line, &printed), text, "%s: %s", line,     \
				 (const char *)printed.data);                       \
		cr_assert_str_eq((const char *)bench.reply.data, last, "%s", line); \
	} while (0)

static const char gdbserver_help[] = "The following monitor commands are supported:\n"
				     "  set debug <0|1>\n"
				     "    Enable general debugging messages\n"
				     "  set debug-hw-points <0|1>\n"
				     "    Enable h/w breakpoint/watchpoint debugging messages\n"
				     "  set remote-debug <0|1>\n"
				     "    Enable remote protocol debugging messages\n"
				     "  set event-loop-debug <0|1>\n"
				     "    Enable event loop debugging messages\n"
				     "  set debug-format option1[,option2,...]\n"
				     "    Add additional information to debugging messages\n"
				     "    Options: all, none, timestamp\n"
				     "  exit\n"
				     "    Quit GDBserver\n";

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);
	return n >= m && strcmp(text + n - m, end) == 0;
}

Test(monitor, help_ends_with_gdbservers_own, .init = setup, .fini = teardown)
{
	_cleanup_buf_ struct buf printed = { 0 };
	const char *text = monitor("help", &printed);
	cr_assert(ends_with(text, gdbserver_help), "%s", text);
	cr_assert(strstr(text, "  py-bt [all|full|native|THREAD]\n"));
	cr_assert_str_eq((const char *)bench.reply.data, "OK");
}

Test(monitor, the_unknown_gets_the_help_and_an_error, .init = setup, .fini = teardown)
{
	static const char *const lines[] = { "",
					     "foo",
					     "set",
					     "set debug",
					     "set debug 2",
					     "set debug 1 1",
					     "set debugx 1",
					     "exit now",
					     "helpme",
					     "set debug-format",
					     "status x" };
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		_cleanup_buf_ struct buf printed = { 0 };
		const char *text = monitor(lines[i], &printed);
		cr_assert(strncmp(text, "Unknown monitor command.\n\n", 26) == 0, "%s: %s",
			  lines[i], text);
		cr_assert(ends_with(text, gdbserver_help));
		cr_assert_str_eq((const char *)bench.reply.data, "E01", "%s", lines[i]);
	}
	cr_assert_eq(bench.s.end, SESSION_OPEN);
}

Test(monitor, switches_answer_in_gdbservers_words, .init = setup, .fini = teardown)
{
	assert_monitor("set debug 1", "Debug output enabled.\n", "OK");
	cr_assert_eq(bench.s.debug, DEBUG_GENERAL);
	assert_monitor("  set debug 0  ", "Debug output disabled.\n", "OK");
	cr_assert_eq(bench.s.debug, 0);
	assert_monitor("set debug-hw-points 1", "H/W point debugging output enabled.\n", "OK");
	assert_monitor("set event-loop-debug 1", "Event loop debug output enabled.\n", "OK");
	cr_assert_eq(bench.s.debug, DEBUG_POINTS | DEBUG_EVENTS);
	assert_monitor("set debug-hw-points 0", "H/W point debugging output disabled.\n", "OK");
	assert_monitor("set event-loop-debug 0", "Event loop debug output disabled.\n", "OK");
	bench.s.debug = DEBUG_PACKETS;
	FILE *log = fopen("/dev/null", "w");
	bench.s.log = log;
	assert_monitor("set remote-debug 0", "Protocol debug output disabled.\n", "OK");
	cr_assert_eq(bench.s.debug, 0);
	bench.s.log = stderr;
	fclose(log);
	assert_monitor("set debug-format all", "All extra debug format options enabled.\n", "OK");
	cr_assert(bench.s.debug_timestamp);
	assert_monitor("set debug-format none", "All extra debug format options disabled.\n", "OK");
	cr_assert_not(bench.s.debug_timestamp);
	assert_monitor("set debug-format timestamp,", "Timestamps will be added to debug output.\n",
		       "OK");
}

Test(monitor, the_path_of_a_library_that_is_not_needed_is_taken, .init = setup, .fini = teardown)
{
	assert_monitor("set libthread-db-search-path /foo/bar",
		       "libthread-db-search-path set to `/foo/bar'\n", "OK");
}

Test(monitor, a_format_that_does_not_exist_is_named, .init = setup, .fini = teardown)
{
	_cleanup_buf_ struct buf printed = { 0 };
	const char *text = monitor("set debug-format junk", &printed);
	cr_assert(strncmp(text, "Unknown debug-format argument: \"junk\"\n", 38) == 0, "%s", text);
	cr_assert_str_eq((const char *)bench.reply.data, "E01");
}

Test(monitor, exit_ends_the_stub, .init = setup, .fini = teardown)
{
	assert_monitor("exit", "", "OK");
	cr_assert_eq(bench.s.end, SESSION_QUIT);
}

Test(monitor, status_says_what_is_debugged, .init = setup, .fini = teardown)
{
	assert_monitor("status",
		       "Process 6699 (fake target, created): /nowhere/fake\n"
		       "1 thread; current 6699; stops so far 0\n",
		       "OK");
	bench.fake.target.pid = 0;
	assert_monitor("status", "No process.\n", "OK");
}

Test(monitor, speaks_of_the_thread_the_user_looks_at, .init = setup, .fini = teardown)
{
	_cleanup_buf_ struct buf printed = { 0 };

	fake_add_thread(&bench.fake, 0x77);
	assert_answer(&bench, "Hg1a2b", "OK");
	assert_answer(&bench, "T77", "OK");
	cr_expect_not_null(strstr(monitor("status", &printed), "current 119"));
	cr_expect_eq(bench.s.g_tid, FAKE_PID, "registers and memory stay those of Hg");
	/* What `info threads' leaves behind says nothing. */
	assert_answer(&bench, "Hg1a2b", "OK");
	assert_answer(&bench, "qC", "QC1a2b");
	cr_expect_not_null(strstr(monitor("status", &printed), "current 119"));
	/* A client that means it sends it right before. */
	assert_answer(&bench, "Hg1a2b", "OK");
	cr_expect_not_null(strstr(monitor("status", &printed), "current 6699"));
}

Test(monitor, what_fails_says_why_and_is_no_protocol_error, .init = setup, .fini = teardown)
{
	_cleanup_buf_ struct buf printed = { 0 };
	const char *text = monitor("py-bt", &printed);
	cr_assert(strlen(text) > 5 && text[strlen(text) - 1] == '\n', "%s", text);
	cr_assert_str_eq((const char *)bench.reply.data, "OK");
}

Test(monitor, the_malformed_runs_nothing, .init = setup, .fini = teardown)
{
	static const char *const packets[] = { "qRcmd", "qRcmd,7", "qRcmd,zz", "qRcmd,6578697400",
					       "qRcmd:65786974" };
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++)
		assert_answer(&bench, packets[i], "E01");
	cr_assert_eq(bench.s.end, SESSION_OPEN);
}

Test(session, long_output_comes_in_pieces, .init = setup, .fini = teardown)
{
	static char text[20000];
	size_t at = 0, total = 0;

	memset(text, 'x', sizeof(text));
	session_print(&bench.s, text, sizeof(text));
	while (wire_next(&bench.s.tx, &at, &bench.reply)) {
		cr_assert_eq(bench.reply.data[0], 'O');
		total += (bench.reply.len - 1) / 2;
	}
	cr_assert_eq(total, sizeof(text));
}
