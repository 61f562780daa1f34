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

    // All that it has said, to the end: after `wait`, when nobody else can say more.
    std::string const& output();

    pid_t pid() const noexcept { return pid_; }

private:
    // False: the output has come to its end, or nothing comes for so long.
    bool read(std::chrono::milliseconds limit);

    pid_t       pid_ = -1;
    int         output_ = -1;
    bool        ended_ = false;
    std::string said_;      // all of it
    std::size_t seen_ = 0;  // so much of that `wait_for` has gone through
};

}  // namespace processes
