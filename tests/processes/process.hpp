// A child process whose lines can be waited for, and which never outlives the test.
#pragma once

#include <chrono>
#include <string>
#include <sys/types.h>
#include <vector>

namespace processes {

class process
{
public:
    explicit process(std::vector<std::string> command);
    ~process();
    process(process const&) = delete;

    // Reads until a line that begins with `line`; returns it. Throws std::runtime_error after `limit`, or at the end of the output.
    std::string wait_for(std::string const& line, std::chrono::milliseconds limit = std::chrono::seconds(20));

    void send(int signal) const;

    // Waits for its end: the exit status, or minus the signal.
    int wait(std::chrono::milliseconds limit = std::chrono::seconds(20));

    pid_t pid() const noexcept { return pid_; }

private:
    pid_t       pid_ = -1;
    int         output_ = -1;
    std::string read_;
};

}  // namespace processes
