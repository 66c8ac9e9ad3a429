#pragma once
#include "cjpeg.h"

#include <setjmp.h>
#include <stdio.h>
// After stdio.h, which it needs.
#include <jpeglib.h>

/// libjpeg's error manager with a way back and the message.
typedef struct {
    struct jpeg_error_mgr manager;
    jmp_buf back;
    CJPEGStatus status;
    char *message;
} Failure;

/// The manager whose `error_exit` notes status and message and jumps to `back`; warnings are passed over.
struct jpeg_error_mgr *failure_init(Failure *failure, char message[CJPEG_MESSAGE_SIZE]);

/// Ends the work with a message of ours.
_Noreturn void failure_raise(j_common_ptr info, CJPEGStatus status, const char *message);
