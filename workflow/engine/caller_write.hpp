// A write that somebody outside waits for: a submission, a request, what a manager is asked for. It waits
// until the engine is alive, if it has to be, then in the committer's queue; there and here it can be taken
// back, and its caller hears what is known of it (I8).
#pragma once

#include "workflow/runtime/committer.hpp"

#include <functional>
#include <string>

namespace weft {
inline namespace v0 {
namespace detail {

class callers;

// What is told of a write that did not come to its end.
std::exception_ptr stopped_error(std::string const& gid, known written);
std::string        and_known(known written);  // "; nothing was written"
std::exception_ptr refused_by_store(write_result const& r, bool in_doubt = false);

// All on the engine's strand.
class caller_write : public write_sink
{
public:
    // It counts towards what may wait until it has left.
    caller_write(callers& all, std::string gid, std::size_t bytes);
    ~caller_write() override
    {
        leave();
        uncount();
    }
    caller_write(caller_write const&) = delete;

    bool is_callers() const noexcept final { return true; }

    // Nothing stands in its way any more: it queues its write, or tells its caller why not.
    virtual void go() = 0;

    // Tells its caller. Only the first time counts.
    virtual void fail(std::exception_ptr error) = 0;

    void on_trouble(store_error const& trouble) final;
    void taken_back() final { leave(); }
    void on_stopped(known written) override;

    std::string const& gid() const noexcept { return gid_; }

    // An earlier write of the same question may have been applied: whatever becomes of this one, its caller
    // does not hear "not written".
    void follows_one_in_doubt(bool in_doubt) noexcept { in_doubt_ = in_doubt_ || in_doubt; }

    // What is known of the whole question, if this is known of the write that waits now. Where somebody else
    // asked for the same transaction here, and that may still be done, it is not "not written": the caller
    // would go on under another gid.
    known of_question(known of_this) const noexcept;

protected:
    // Whether it asks for a transaction, as against something of one that is there.
    virtual bool asks_for_transaction() const noexcept = 0;

    // The store has answered, or it has been taken back.
    void leave() noexcept;

    // Its transaction is leased to this engine with it, and will be in memory soon.
    void count() noexcept;
    void uncount() noexcept;

    callers&    callers_;
    std::string gid_;
    bool        in_doubt_ = false;  // what was written for this question before

private:
    std::size_t bytes_;
    bool        waits_ = true;
    bool        counted_ = false;
};

// One that waits for its answer and nothing else.
class asking final : public caller_write
{
public:
    using then = std::function<void(std::exception_ptr, write_result const&)>;

    // `make` is called when it is queued. `needs_life`: it leases a transaction.
    asking(callers& all, std::string gid, std::size_t bytes, bool needs_life, std::function<write()> make,
           then t)
        : caller_write(all, std::move(gid), bytes)
        , needs_life_(needs_life)
        , make_(std::move(make))
        , then_(std::move(t))
    { }

    void go() override;
    void fail(std::exception_ptr error) override { tell(error, {}); }
    void on_written(write_result const& r, write&) override;

private:
    bool asks_for_transaction() const noexcept override { return needs_life_ || creates_; }
    void tell(std::exception_ptr error, write_result const& r)
    {
        if (auto const t = std::exchange(then_, nullptr))
            t(error, r);
    }

    bool                   needs_life_;
    bool                   creates_ = false;
    std::function<write()> make_;
    then                   then_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
