#include "failure.h"

#include <jerror.h>
#include <string.h>

_Static_assert(CJPEG_MESSAGE_SIZE >= JMSG_LENGTH_MAX, "libjpeg writes messages of this length");

static void leave(j_common_ptr info) {
    Failure *failure = (Failure *)info->err;
    if (failure->status == CJPEG_DONE)
        failure->status = info->err->msg_code == JERR_OUT_OF_MEMORY ? CJPEG_OUT_OF_MEMORY : CJPEG_DAMAGED;
    info->err->format_message(info, failure->message);
    longjmp(failure->back, 1);
}

static void pass_over(j_common_ptr info, int level) { (void)info, (void)level; }

static void print_nothing(j_common_ptr info) { (void)info; }

struct jpeg_error_mgr *failure_init(Failure *failure, char message[CJPEG_MESSAGE_SIZE]) {
    memset(message, 0, CJPEG_MESSAGE_SIZE);
    failure->status = CJPEG_DONE;
    failure->message = message;
    struct jpeg_error_mgr *manager = jpeg_std_error(&failure->manager);
    manager->error_exit = leave;
    manager->emit_message = pass_over;
    manager->output_message = print_nothing;
    return manager;
}

void failure_raise(j_common_ptr info, CJPEGStatus status, const char *message) {
    Failure *failure = (Failure *)info->err;
    failure->status = status;
    strncpy(failure->message, message, CJPEG_MESSAGE_SIZE - 1);
    longjmp(failure->back, 1);
}
