#include "workflow/engine/incarnation.hpp"

#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// What dead engines owned is released in portions of so many.
constexpr std::size_t portion = 1'000;

}  // namespace

incarnation::incarnation(engine_context& e, programs const& p, blockages& b, incarnation_host& host)
    : context_(e)
    , programs_(p)
    , blockages_(b)
    , host_(host)
    , others_(e.options().expiry, e.options().beat)
    , beat_timer_([this] { beat(); })
    , retry_timer_([this] { register_engine(); })
{ }

void incarnation::start()
{
    if (life_ != life::unborn)
        return;
    context_.begin_work();
    register_engine();
}

bool incarnation::may_act() const
{
    return is_alive() && context_.time().since_boot() - last_beat_ < context_.options().expiry;
}

void incarnation::register_engine()
{
    life_ = life::registering;
    id_ = random_token(context_.random());
    blockages_.registers_as(id_);
    auto const began = context_.time().since_boot();
    others_.blind();
    context_.on_store(
        lane::beats,
        [this, id = id_] {
            context_.store().register_engine(id, programs_.names());
            return blockages_.in_store();
        },
        [this, began](std::exception_ptr error, std::vector<kv_row> const& notes) {
            if (!error)
            {
                last_beat_ = began;
                blockages_.read(notes);
            }
            registered(error);
        });
}

void incarnation::registered(std::exception_ptr error)
{
    if (context_.stopped())
    {
        if (!error)
            context_.on_store(
                lane::beats, [this] { context_.store().unregister_engine(id_); }, [](std::exception_ptr) {});
        return;
    }
    if (error)
        return not_registered(error);
    life_ = life::alive;
    lifeless_since_.reset();
    if (auto* l = context_.log())
        l->info("engine {} is alive on {}", id_, context_.store().describe());
    beat();
    host_.alive();
}

// Whoever waits for it to come to life is told after a while.
void incarnation::not_registered(std::exception_ptr error)
{
    context_.count(counters::event::store_errors);
    if (auto* l = context_.log())
        l->error("the engine cannot start: {} (again in {} ms)", what_of(error), store_retry.count());
    context_.timers().set(retry_timer_, store_retry);
    if (context_.stopping())
        return host_.cannot_come_to_life();
    auto const now = context_.time().since_boot();
    if (!lifeless_since_)
        lifeless_since_ = now;
    if (now - *lifeless_since_ >= patience)
        host_.lifeless(error);
}

// Says that this engine lives, and looks who else does.
void incarnation::beat()
{
    if (!is_alive())
        return;
    context_.on_store(
        lane::beats, [this, id = id_] { return context_.store().beat(id, programs_.names()); },
        [this, began = context_.time().since_boot(), id = id_](std::exception_ptr error, beaten b) {
            if (!context_.stopped() && id == id_)
                beaten_at(began, error, std::move(b));
        });
}

void incarnation::beaten_at(std::chrono::nanoseconds began, std::exception_ptr error, beaten b)
{
    if (error)
    {
        others_.blind();
        context_.count(counters::event::store_errors);
        if (auto* l = context_.log())
            l->error("no heartbeat: {}", what_of(error));
    }
    else if (!b.alive)
        return lose();
    else
    {
        last_beat_ = began;
        for (auto& a : std::exchange(held_, {}))
            a->go_on();
        blockages_.look();
        auto dead = others_.look(began, context_.time().since_boot(), b.others);
        if (!dead.empty())
            bury(std::move(dead));
        else if (b.to_release)
            release_dead();
    }
    context_.timers().set(beat_timer_, context_.options().beat);
}

void incarnation::bury(std::vector<heartbeat> dead)
{
    context_.on_store(
        lane::upkeep,
        [this, dead = std::move(dead)] {
            bool any = false;
            for (auto const& d : dead)
                if (context_.store().bury(d.engine, d.beats))
                {
                    any = true;
                    if (auto* l = context_.log())
                        l->warn("engine {} is dead", d.engine);
                }
            return any;
        },
        [this](std::exception_ptr, bool any) {
            if (any)
                release_dead();
        });
}

// One portion after the other, and what came with one is claimed at once. What is locked at the moment is
// there at the next beat.
void incarnation::release_dead()
{
    if (releasing_ || context_.stopped())
        return;
    releasing_ = true;
    context_.on_store(
        lane::upkeep, [this] { return context_.store().release_dead(portion); },
        [this](std::exception_ptr error, released const& r) {
            releasing_ = false;
            released_some(error, r);
        });
}

void incarnation::released_some(std::exception_ptr error, released const& r)
{
    if (error)
    {
        context_.count(counters::event::store_errors);
        if (auto* l = context_.log())
            l->error("what dead engines owned cannot be released: {}", what_of(error));
        return;
    }
    tell_refused(r.refused);
    if (r.count > 0)
    {
        context_.count(counters::event::taken_over, r.count);
        if (auto* l = context_.log())
            l->info("engine {} released {} transactions of dead engines", id_, r.count);
        host_.released();
    }
    if (r.more)
        release_dead();
}

void incarnation::tell_refused(std::string const& rows)
{
    if (rows == std::exchange(refused_rows_, rows) || rows.empty())
        return;
    if (auto* l = context_.log())
        l->error("the store will not have these rows changed, so they are neither claimed nor released: {}",
                 rows);
}

void incarnation::lose()
{
    life_ = life::gone;
    beat_timer_.cancel();
    host_.lost();
    held_.clear();
    if (!context_.stopping())
        register_engine();
}

void incarnation::unregister(std::function<void(std::exception_ptr)> then)
{
    bool const was_alive = is_alive();
    life_ = life::gone;
    context_.on_store(
        lane::beats,
        [this, was_alive] {
            if (was_alive)
                context_.store().unregister_engine(id_);
        },
        std::move(then));
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
