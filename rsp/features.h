/* SPDX-License-Identifier: MIT */
/*
 * What the client says of itself in qSupported (GDB manual, "General Query
 * Packets", `qSupported').
 */
#ifndef RSP_FEATURES_H
#define RSP_FEATURES_H

#include "rsp/cursor.h"

struct rsp_features {
	bool multiprocess; /* thread ids are pPID.TID */
	bool swbreak, hwbreak;
	bool error_message; /* E.text is understood in every reply */
	bool binary_upload; /* `x' replies start with b (gdb 16) */
	bool exec_events, fork_events, vfork_events;
	bool no_resumed, vcont_supported, qrelocinsn;
	bool lldb; /* announced xmlRegisters=, or asked a question only lldb asks */
};

/* Parses "feat1;feat2+;..." up to the cursor's end; unknown ones are ignored. */
void rsp_features_parse(struct rsp_cursor *args, struct rsp_features *ret);

#endif
