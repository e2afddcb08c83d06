/* SPDX-License-Identifier: MIT */
#include "rsp/signals.h"

#include <signal.h>
#include <stddef.h>

#define REALTIME_FIRST 33 /* 32 and 64 came later and have numbers apart */
#define REALTIME_LAST  63
#define WIRE_SIG33     45u
#define WIRE_SIG32     77u
#define WIRE_SIG64     78u
#define WIRE_SIGPOLL   33u /* the same signal as SIGIO on Linux, which is 23 */

/* clang-format off */
/* The protocol's number of each classic Linux signal; 0: it has none. */
static const uint8_t classic[] = {
	[SIGHUP]    = 1,  [SIGINT]   = 2,  [SIGQUIT]   = 3,  [SIGILL]  = 4,
	[SIGTRAP]   = 5,  [SIGABRT]  = 6,  [SIGFPE]    = 8,  [SIGKILL] = 9,
	[SIGBUS]    = 10, [SIGSEGV]  = 11, [SIGSYS]    = 12, [SIGPIPE] = 13,
	[SIGALRM]   = 14, [SIGTERM]  = 15, [SIGURG]    = 16, [SIGSTOP] = 17,
	[SIGTSTP]   = 18, [SIGCONT]  = 19, [SIGCHLD]   = 20, [SIGTTIN] = 21,
	[SIGTTOU]   = 22, [SIGIO]    = 23, [SIGXCPU]   = 24, [SIGXFSZ] = 25,
	[SIGVTALRM] = 26, [SIGPROF]  = 27, [SIGWINCH]  = 28, [SIGUSR1] = 30,
	[SIGUSR2]   = 31, [SIGPWR]   = 32,
};
/* clang-format on */
#define CLASSIC (sizeof(classic) / sizeof(classic[0]))

unsigned int rsp_signal_from_linux(int signo)
{
	if (signo == 0)
		return 0;
	if (signo > 0 && (size_t)signo < CLASSIC && classic[signo])
		return classic[signo];
	if (signo >= REALTIME_FIRST && signo <= REALTIME_LAST)
		return WIRE_SIG33 + (unsigned int)(signo - REALTIME_FIRST);
	if (signo == 32)
		return WIRE_SIG32;
	if (signo == 64)
		return WIRE_SIG64;
	return RSP_SIGNAL_UNKNOWN;
}

bool rsp_signal_to_linux(uint64_t number, int *ret)
{
	if (number == WIRE_SIGPOLL) {
		*ret = SIGIO;
		return true;
	}
	if (number == RSP_SIGNAL_UNKNOWN)
		return false;
	for (int signo = 0; signo <= LINUX_SIGNAL_MAX; signo++) {
		if (rsp_signal_from_linux(signo) == number) {
			*ret = signo;
			return true;
		}
	}
	return false;
}
