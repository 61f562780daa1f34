#include "workflow/engine/unparked.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

constexpr std::chrono::milliseconds first_delay{1'000};
constexpr std::chrono::milliseconds longest_delay{60'000};

}  // namespace

class unparked::parking final : public write_sink, public timer
{
public:
    parking(unparked& all, park_write w) : all_(all), write_(std::move(w)) { }

    std::string const& gid() const noexcept { return write_.gid; }
    void               go() { all_.committer_.add(write_, this); }
    void               was_refused();

    void on_timer() override { go(); }
    void on_written(write_result const& r, write&) override;

private:
    unparked&                 all_;
    park_write                write_;
    std::chrono::milliseconds delay_{0};
};

// What it was parked with may be what the store refused, so all of it is left out; and since that may have
// passed it is due, not paused: the next attempt sees for itself. One that comes to nothing counts towards
// the limit of attempts.
void unparked::parking::was_refused()
{
    write_.due_in = std::chrono::milliseconds(0);
    write_.keep_attempts = true;
    write_.paused_reason.clear();
    write_.last_error = "the store refused to take it back";
    delay_ = delay_.count() == 0 ? first_delay : std::min(longest_delay, delay_ * 2);
    all_.context_.timers().set(*this, delay_);
}

void unparked::parking::on_written(write_result const& r, write&)
{
    auto const me = all_.all_.find(write_.gid);
    if (me == all_.all_.end() || me->second.get() != this)
        return;  // somebody has decided about it meanwhile
    if (r.what == written::refused)
    {
        if (auto* log = all_.context_.log())
            log->error("gid={} still cannot be parked: {}", write_.gid, r.why);
        return was_refused();
    }
    boost::intrusive_ptr<parking> const keep(this);
    all_.all_.erase(me);
    if (r.what == written::done)
        return all_.claims_.claim_in(write_.due_in);
    all_.claims_.claim_what_is_ours();
}

void unparked::give_back(park_write w)
{
    boost::intrusive_ptr<parking> const left(new parking(*this, std::move(w)));
    all_[left->gid()] = left;
    left->go();
}

void unparked::keep(park_write w)
{
    boost::intrusive_ptr<parking> const left(new parking(*this, std::move(w)));
    all_[left->gid()] = left;
    left->was_refused();
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
