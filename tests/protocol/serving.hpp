// A server that is running: weftd, as its users start it, or the library's within the test's process.
#pragma once

#include "tests/processes/process.hpp"
#include "tests/support/temporary_directory.hpp"

#include <memory>
#include <optional>
#include <string>

namespace protocol {

class serving
{
public:
    virtual ~serving() = default;
    virtual unsigned short port() const = 0;

    // As a person would: what is under way may end. Afterwards there is nobody at the port.
    virtual void stop() = 0;
};

// A process with a conf.yml and a log of its own.
class weftd_process final : public serving
{
public:
    // `store_url`: empty for a SQLite file beside the conf.yml. `conf`: more of it. `open_files`: its limit of them (0: as it is here).
    // Listens when this returns.
    explicit weftd_process(std::string const& store_url, std::string const& conf = {}, unsigned open_files = 0);
    ~weftd_process() override;

    unsigned short port() const override { return port_; }
    void           stop() override;
    void           kill_and_start();

    // SIGTERM, and its exit status. `stop` does both, unless they have been done.
    void ask_to_stop();
    int  wait();

    // The most memory that it has had, in MiB.
    std::size_t peak_memory() const;

    // All that it has logged since it was started, at info and above.
    std::string log() const;

private:
    void start();

    temporary_directory               directory_;
    std::string                       log_;
    unsigned                          open_files_ = 0;
    unsigned                          starts_ = 0;
    bool                              asked_ = false;
    unsigned short                    port_ = 0;
    std::optional<processes::process> process_;
};

// The memory store goes with its process, so it is served as a program of one's own would: without weftd, and by several threads.
class in_process final : public serving
{
public:
    in_process();
    ~in_process() override;

    unsigned short port() const override;
    void           stop() override;

private:
    struct parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace protocol
