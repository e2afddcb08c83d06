/* SPDX-License-Identifier: MIT */
/* Signals as a session's peer numbers them. */
#include "rsp/signals.h"
#include "stub/session.h"

unsigned int session_signal_to_wire(const struct session *s, int signo)
{
	return s->peer.lldb ? (unsigned int)signo : rsp_signal_from_linux(signo);
}

bool session_signal_from_wire(const struct session *s, uint64_t number, int *ret)
{
	if (!s->peer.lldb)
		return rsp_signal_to_linux(number, ret);
	*ret = (int)number;
	return number < SIGNAL_BYTES * 8 && number <= LINUX_SIGNAL_MAX;
}
