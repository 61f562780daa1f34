#include "tests/processes/process.hpp"

#include <cerrno>
#include <csignal>
#include <poll.h>
#include <spawn.h>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace processes {

process::process(std::vector<std::string> command)
{
    int ends[2];
    if (::pipe(ends) != 0)
        throw std::runtime_error("no pipe");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    // Nothing else of the test's: a socket that it closes would stay open in the child.
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    std::vector<char*> arguments;
    for (auto& c : command)
        arguments.push_back(c.data());
    arguments.push_back(nullptr);
    int const error = ::posix_spawn(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    output_ = ends[0];
    if (error != 0)
        throw std::runtime_error(command[0] + " cannot be started");
}

process::~process()
{
    if (pid_ > 0)
    {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    ::close(output_);
}

bool process::read(std::chrono::milliseconds limit)
{
    pollfd p{output_, POLLIN, 0};
    if (limit.count() < 0 || ::poll(&p, 1, static_cast<int>(limit.count())) <= 0)
        return false;
    char       room[4096];
    auto const n = ::read(output_, room, sizeof room);
    ended_ = n <= 0;
    if (!ended_)
        said_.append(room, static_cast<std::size_t>(n));
    return !ended_;
}

std::string process::wait_for(std::string const& line, std::chrono::milliseconds limit)
{
    auto const until = std::chrono::steady_clock::now() + limit;
    for (;;)
    {
        for (auto end = said_.find('\n', seen_); end != std::string::npos; end = said_.find('\n', seen_))
        {
            auto const seen = said_.substr(seen_, end - seen_);
            seen_ = end + 1;
            if (seen.starts_with(line))
                return seen;
        }
        if (!read(std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now())))
            throw std::runtime_error((ended_ ? "the process ended without a line \"" : "no line in time that begins with \"") + line +
                                     "\"; it said:\n" + said_);
    }
}

std::string const& process::output()
{
    while (read(std::chrono::seconds(1)))
        ;
    return said_;
}

void process::send(int signal) const { ::kill(pid_, signal); }

int process::wait(std::chrono::milliseconds limit)
{
    auto const until = std::chrono::steady_clock::now() + limit;
    int        status = 0;
    while (::waitpid(pid_, &status, WNOHANG) == 0)
    {
        if (std::chrono::steady_clock::now() > until)
            throw std::runtime_error("the process does not end");
        ::poll(nullptr, 0, 5);
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace processes
