"""Every figure, defined once as data: id, names, formula, unit, interval rule, facts, and a pure function.

Boards and reports compute from these definitions, so they agree to the unit. Letters, per queue visit: O offered,
A answered, B abandoned by the caller, F flowed out, R contacts offered again; `_T` within the service level threshold,
`_s` within the short-abandon threshold. A value is a number in the metric's unit, or None where nothing was there to
divide by.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from acd.core import facts as f
from acd.core.model import SECOND, OfferResult, Outcome, SeatState
from dashboards import apart, texts
from dashboards import formulas as x
from dashboards.formulas import Compute, Scope, Value
from dashboards.rows import Given, History


class Rule(StrEnum):
    """What books a thing into an interval (terms.md, interval attribution)."""

    ARRIVAL = "arrival"  # when it entered; past intervals stay open until it is finished
    EVENT = "event"  # when it was answered, abandoned, offered ...
    END = "end"  # when it was over
    SL_EVENT = "sl_event"  # the earliest of answered, abandoned, threshold passed
    SPAN = "span"  # time inside the interval
    INSTANT = "instant"  # as it stands at the interval's end


class Unit(StrEnum):
    COUNT = "count"
    RATIO = "ratio"  # 0.8 is shown as 80 %
    TIME = "time"  # microseconds
    ERLANG = "erlang"


Kinds = tuple[type[f.Fact], ...]


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure. `names` are zh-TW, zh-CN, en; `facts` are all kinds it needs, no other changes it."""

    id: str
    names: tuple[str, str, str]
    formula: str
    unit: Unit
    rule: Rule
    facts: Kinds
    compute: Compute


_ENTRY: Kinds = (f.Entered, f.FallbackCallServed)
_QUEUE: Kinds = (*_ENTRY, f.Queued, f.Moved, f.Requeued)
_VISIT: Kinds = (*_QUEUE, f.Accepted, f.Ended, f.MenuStarted, f.SayingStarted, f.VoicemailStarted, f.ShapeChanged)
_OFFER: Kinds = (*_VISIT, f.Offered, f.RingStarted, f.OfferEnded)
_TALK: Kinds = (
    *_QUEUE,
    f.Accepted,
    f.HandlingEnded,
    f.OtherAnswered,
    f.TookOver,
    f.ShapeChanged,
    f.OutboundStarted,
    f.CustomerDialled,
    f.CustomerAnswered,
)
_PART: Kinds = (*_TALK, f.WrapUpStarted, f.WrapUpLeft)
_STATE: Kinds = (*_QUEUE, f.SeatChanged, f.SeatProfileChanged)
_TEXTS: Kinds = (*_ENTRY, f.MessagePassed)
_OUT: Kinds = (f.DirectStarted, f.OutboundStarted, f.CustomerDialled)
_MOVED: Kinds = (*_TALK, f.MenuStarted, f.SayingStarted, f.VoicemailStarted, f.Ended)
_CALLBACK: Kinds = (*_QUEUE, f.CustomerDialled)

COUNT, RATIO, TIME = Unit.COUNT, Unit.RATIO, Unit.TIME
ARRIVAL, EVENT, END, SPAN, INSTANT = Rule.ARRIVAL, Rule.EVENT, Rule.END, Rule.SPAN, Rule.INSTANT

# fmt: off
_LIST: tuple[Metric, ...] = (
    Metric("offered", ("進線數", "进线数", "Offered"), "O", COUNT, ARRIVAL, _VISIT, x.offered),
    Metric("net_offered", ("淨進線數", "净进线数", "Offered without short abandons"), "O − B_s", COUNT, ARRIVAL,
           _VISIT, lambda h, s: x.offered(h, s) - x.short_abandoned(h, s)),
    Metric("answered", ("應答數", "应答数", "Answered"), "A", COUNT, ARRIVAL, _VISIT, x.answered),
    Metric("answered_within", ("門檻內應答數", "门槛内应答数", "Answered within T"), "A_T", COUNT, ARRIVAL, _VISIT,
           x.answered_within),
    Metric("abandoned", ("放棄數", "放弃数", "Abandoned"), "B", COUNT, ARRIVAL, _VISIT, x.abandoned),
    Metric("abandoned_within", ("門檻內放棄數", "门槛内放弃数", "Abandoned within T"), "B_T", COUNT, ARRIVAL, _VISIT,
           x.abandoned_within),
    Metric("short_abandoned", ("短暫放棄數", "短暂放弃数", "Short abandons"), "B_s", COUNT, ARRIVAL, _VISIT,
           x.short_abandoned),
    Metric("flowed_out", ("流出數", "流出数", "Flowed out"), "F", COUNT, ARRIVAL, _VISIT, x.flowed_out),
    Metric("open", ("未結束數", "未结束数", "Still waiting"), "open", COUNT, ARRIVAL, _VISIT, x.ended_as(x.OPEN)),
    Metric("answered_event", ("應答數(依應答時間)", "应答数(按应答时间)", "Answered, by event"), "A by event", COUNT,
           EVENT, _VISIT, x.left_as(x.ANSWERED)),
    Metric("abandoned_event", ("放棄數(依掛斷時間)", "放弃数(按挂断时间)", "Abandoned, by hang-up"), "B by event",
           COUNT, EVENT, _VISIT, x.left_as(x.ABANDONED)),
    Metric("flowed_out_event", ("流出數(依流出時間)", "流出数(按流出时间)", "Flowed out, by event"), "F by event",
           COUNT, EVENT, _VISIT, x.left_as(x.FLOWED_OUT)),
    Metric("waiting_start", ("期初等待數", "期初等待数", "Waiting at start"), "waiting at start", COUNT, INSTANT,
           _VISIT, lambda h, s: x.waiting_at(h, s, s.start)),
    Metric("waiting", ("等待數", "等待数", "Waiting"), "waiting at end", COUNT, INSTANT, _VISIT,
           lambda h, s: x.waiting_at(h, s, s.end)),
    Metric("redispatched", ("重新分派數", "重新分派数", "Offered again"), "R", COUNT, ARRIVAL, _OFFER,
           x.redispatched),
    Metric("late", ("逾時接聽數", "超时接听数", "Late"), "rang > T at the agent", COUNT, ARRIVAL, _OFFER, x.late),
    Metric("overflow", ("溢流數", "溢流数", "Overflow"), "refused above the line cap", COUNT, ARRIVAL,
           (*_ENTRY, f.Ended), x.outcomes(Outcome.LINE_CAP)),
    # rates
    Metric("answer_rate", ("接聽率", "接听率", "Answer rate"), "A/O", RATIO, ARRIVAL, _VISIT,
           lambda h, s: x.ratio(x.answered(h, s), x.offered(h, s))),
    Metric("abandon_rate", ("放棄率", "放弃率", "Abandonment rate"), "B/O", RATIO, ARRIVAL, _VISIT,
           lambda h, s: x.ratio(x.abandoned(h, s), x.offered(h, s))),
    Metric("abandon_rate_net", ("淨放棄率", "净放弃率", "Abandonment rate without short abandons"), "(B−B_s)/(O−B_s)",
           RATIO, ARRIVAL, _VISIT,
           lambda h, s: x.ratio(x.abandoned(h, s) - x.short_abandoned(h, s),
               x.offered(h, s) - x.short_abandoned(h, s))),
    Metric("abandon_rate_of_settled",
           ("放棄率(已結束)", "放弃率(已结束)", "Abandonment rate of answered and abandoned"), "(B−B_s)/(A+B−B_s)",
           RATIO, ARRIVAL, _VISIT,
           lambda h, s: x.ratio(x.abandoned(h, s) - x.short_abandoned(h, s),
               x.answered(h, s) + x.abandoned(h, s) - x.short_abandoned(h, s))),
    Metric("connection_rate", ("接通率", "接通率", "Connection rate"), "connected/total", RATIO, ARRIVAL,
           (*_ENTRY, f.Accepted, f.CustomerAnswered),
           lambda h, s: x.ratio(sum(bool(one.answered_at) for one in x.contacts_in(h, s)), len(x.contacts_in(h, s)))),
    # service level: every variant under its own name
    Metric("sl_negative",
           ("服務水準(放棄計為未達)", "服务水平(放弃计为未达)", "Service level, abandons count against"), "A_T/O",
           RATIO, ARRIVAL, _VISIT, lambda h, s: x.ratio(x.answered_within(h, s), x.offered(h, s))),
    Metric("sl_ignore",
           ("服務水準(不計門檻內放棄)", "服务水平(不计门槛内放弃)", "Service level, early abandons ignored"),
           "A_T/(O−B_T)", RATIO, ARRIVAL, _VISIT,
           lambda h, s: x.ratio(x.answered_within(h, s), x.offered(h, s) - x.abandoned_within(h, s))),
    Metric("sl_positive",
           ("服務水準(門檻內放棄計為達成)", "服务水平(门槛内放弃计为达成)", "Service level, early abandons count for"),
           "(A_T+B_T)/O", RATIO, ARRIVAL, _VISIT,
           lambda h, s: x.ratio(x.answered_within(h, s) + x.abandoned_within(h, s), x.offered(h, s))),
    Metric("sl_answered_only", ("服務水準(僅計應答)", "服务水平(仅计应答)", "Service level of the answered"), "A_T/A",
           RATIO, ARRIVAL, _VISIT, lambda h, s: x.ratio(x.answered_within(h, s), x.answered(h, s))),
    Metric("sl_asterisk2", ("服務水準(Asterisk SL2)", "服务水平(Asterisk SL2)", "Service level, Asterisk SL2"),
           "(A_T+B_T)/(A+B)", RATIO, ARRIVAL, _VISIT,
           lambda h, s: x.ratio(x.answered_within(h, s) + x.abandoned_within(h, s),
               x.answered(h, s) + x.abandoned(h, s))),
    Metric("sl_net", ("服務水準(不計短暫放棄)", "服务水平(不计短暂放弃)", "Service level without short abandons"),
           "A_T/(O−B_s)", RATIO, ARRIVAL, _VISIT,
           lambda h, s: x.ratio(x.answered_within(h, s), x.offered(h, s) - x.short_abandoned(h, s))),
    Metric("sl_all_in",
           ("服務水準(含流出與放棄)", "服务水平(含流出与放弃)", "Service level of all who left the queue"),
           "A_T/(A+B+F)", RATIO, ARRIVAL, _VISIT,
           lambda h, s: x.ratio(x.answered_within(h, s), x.answered(h, s) + x.abandoned(h, s) + x.flowed_out(h, s))),
    Metric("sl_board", ("看板服務水準(20 秒)", "看板服务水平(20 秒)", "Service level of the board, 20 s"), "A_20/O",
           RATIO, ARRIVAL, _VISIT, lambda h, s: x.ratio(x.within(h, s, x.ANSWERED, 20 * SECOND), x.offered(h, s))),
    Metric("sl_acd_report", ("ACD 服務水準", "ACD 服务水平", "Service level of the ACD report"),
           "(O−(late+B+R))/O, B by hang-up; a contact that is several of these counts once", RATIO, EVENT, _OFFER,
           x.sl_acd_report),
    Metric("sl_acd_by_arrival",
           ("ACD 服務水準(依進線時間)", "ACD 服务水平(按进线时间)", "Service level of the ACD report, by arrival"),
           "(O−(late+B+R))/O, all by arrival; a contact that is several of these counts once", RATIO, ARRIVAL, _OFFER,
           x.sl_acd_by_arrival),
    Metric("sl_events", ("服務水準事件數", "服务水平事件数", "Service level events"),
           "earliest of answered, abandoned, T passed", COUNT, Rule.SL_EVENT, _VISIT, x.sl_events),
    # the customer's wait
    Metric("asa", ("平均應答速度", "平均应答速度", "Average speed of answer"),
           "Σ wait of answered / A; agent ring included", TIME, ARRIVAL, _VISIT,
           lambda h, s: x.mean(x.waits_of(h, s, x.ANSWERED))),
    Metric("answer_median", ("應答速度中位數", "应答速度中位数", "Median speed of answer"), "median wait of answered",
           TIME, ARRIVAL, _VISIT, lambda h, s: x.quantile(x.waits_of(h, s, x.ANSWERED), 0.5)),
    Metric("answer_p90", ("應答速度第 90 百分位", "应答速度第 90 百分位", "90th percentile of speed of answer"),
           "P90 of the wait of answered", TIME, ARRIVAL, _VISIT,
           lambda h, s: x.quantile(x.waits_of(h, s, x.ANSWERED), 0.9)),
    Metric("answer_longest", ("最長應答等待", "最长应答等待", "Longest wait of an answered contact"),
           "max wait of answered", TIME, ARRIVAL, _VISIT, lambda h, s: x.longest(x.waits_of(h, s, x.ANSWERED))),
    Metric("abandon_mean", ("平均放棄等待", "平均放弃等待", "Average wait before giving up"),
           "Σ wait of abandoned / B", TIME, ARRIVAL, _VISIT, lambda h, s: x.mean(x.waits_of(h, s, x.ABANDONED))),
    Metric("wait_total", ("客戶等待總時間", "客户等待总时间", "Customer waiting, total"), "Σ wait", TIME, ARRIVAL,
           _VISIT, lambda h, s: sum(x.all_waits(h, s))),
    Metric("wait_longest", ("客戶最長等待", "客户最长等待", "Customer waiting, longest"),
           "max wait; with a day as interval: of the day", TIME, ARRIVAL, _VISIT, x.longest_of_day),
    Metric("wait_mean", ("客戶平均等待", "客户平均等待", "Customer waiting, average"), "Σ wait / O", TIME, ARRIVAL,
           _VISIT, lambda h, s: x.mean(x.all_waits(h, s))),
    Metric("ewt", ("預估等待", "预估等待", "Expected wait"), "exponential smoothing of past waits, (3·old+new)/4",
           TIME, EVENT, _VISIT, x.ewt),
    # ringing at agents
    Metric("offers", ("分派次數", "分派次数", "Offers to agents"), "offers ended", COUNT, EVENT, _OFFER,
           lambda h, s: len(x.rings_in(h, s))),
    Metric("offers_accepted", ("接聽次數", "接听次数", "Offers accepted"), "offers accepted", COUNT, EVENT, _OFFER,
           lambda h, s: len(x.ring_results(h, s, OfferResult.ACCEPTED))),
    Metric("rna", ("未接聽次數", "未接听次数", "Rang out"), "offers that timed out", COUNT, EVENT, _OFFER,
           lambda h, s: len(x.ring_results(h, s, OfferResult.TIMEOUT))),
    Metric("rejected", ("拒接次數", "拒接次数", "Rejected"), "offers rejected by the person", COUNT, EVENT, _OFFER,
           lambda h, s: len(x.ring_results(h, s, OfferResult.REJECTED))),
    Metric("unreachable", ("無法接通次數", "无法接通次数", "Device unreachable"), "offers whose device failed", COUNT,
           EVENT, _OFFER, lambda h, s: len(x.ring_results(h, s, OfferResult.UNREACHABLE))),
    Metric("left_ringing", ("響鈴中客戶離開", "响铃中客户离开", "Caller left while ringing"),
           "offers withdrawn because the caller left", COUNT, EVENT, _OFFER,
           lambda h, s: sum(ring.caller_left for ring in x.ring_results(h, s, OfferResult.WITHDRAWN))),
    Metric("non_response", ("專員未回應", "坐席未响应", "Agent non-response"),
           "rang out + rejected + unreachable + caller left while ringing", COUNT, EVENT, _OFFER,
           lambda h, s: sum(ring.result is not OfferResult.ACCEPTED
               for ring in x.rings_in(h, s) if ring.result is not OfferResult.WITHDRAWN or ring.caller_left)),
    Metric("non_response_without_abandons",
           ("專員未回應(不計客戶離開)", "坐席未响应(不计客户离开)", "Agent non-response without customer abandons"),
           "rang out + rejected + unreachable", COUNT, EVENT, _OFFER,
           lambda h, s: len(x.ring_results(h, s, OfferResult.TIMEOUT, OfferResult.REJECTED, OfferResult.UNREACHABLE))),
    Metric("ring_total", ("專員響鈴秒數", "坐席响铃秒数", "Agent ring time"), "Σ ring at the agent", TIME, EVENT,
           _OFFER, lambda h, s: sum(ring.ring_time for ring in x.rings_in(h, s))),
    Metric("agent_answer_mean", ("專員平均接聽時間", "坐席平均接听时间", "Agent answer time"),
           "Σ ring of accepted / accepted", TIME, EVENT, _OFFER, lambda h, s: x.mean(x.answer_times(h, s))),
    # handling
    Metric("handled", ("處理數", "处理数", "Handled"), "handlings begun", COUNT, EVENT, _TALK,
           lambda h, s: len(x.parts_in(h, s))),
    Metric("finished", ("已完成數", "已完成数", "Finished"), "handlings begun and over, wrap-up included", COUNT,
           EVENT, _PART, lambda h, s: len(x.finished(h, s))),
    Metric("unfinished", ("未完成數", "未完成数", "Unfinished"), "all − finished", COUNT, EVENT, _PART,
           lambda h, s: len(x.parts_in(h, s)) - len(x.finished(h, s))),
    Metric("ended", ("結束數", "结束数", "Ended"), "conversations ended", COUNT, END, _TALK,
           lambda h, s: len([part for part in x.parts_ever(h, s) if part.ended_at and s.has(part.ended_at)])),
    Metric("talk_total", ("通話總時間", "通话总时间", "Talk time"), "Σ talk", TIME, EVENT, _TALK,
           lambda h, s: sum(part.talk for part in x.parts_in(h, s))),
    Metric("talk_mean", ("平均通話時間", "平均通话时间", "Average talk time"), "Σ talk / ended handlings", TIME,
           EVENT, _TALK, lambda h, s: x.mean([part.talk for part in x.parts_in(h, s) if part.ended_at])),
    Metric("acw_total", ("話後工作總時間", "话后工作总时间", "Wrap-up time"), "Σ wrap-up", TIME, EVENT, _PART,
           lambda h, s: sum(part.wrap_up for part in x.parts_in(h, s))),
    Metric("acw_mean", ("平均話後工作", "平均话后工作", "Average wrap-up"), "Σ wrap-up / finished", TIME, EVENT,
           _PART, lambda h, s: x.mean([part.wrap_up for part in x.finished(h, s)])),
    Metric("handle_total", ("處理總時間", "处理总时间", "Handle time"), "Σ(talk+hold+ACW) of finished",
           TIME, EVENT, _PART, lambda h, s: sum(x.handle_times(h, s))),
    Metric("aht", ("平均處理時間", "平均处理时间", "Average handle time"),
           "Σ(talk+hold+ACW)/A of finished; ring, consult and outbound are out", TIME, EVENT, _PART,
           lambda h, s: x.mean(x.handle_times(h, s))),
    Metric("hold_total", ("保留總時間", "保持总时间", "Hold time"), "Σ hold", TIME, EVENT, _TALK,
           lambda h, s: sum(part.hold for part in x.parts_in(h, s))),
    Metric("hold_mean", ("平均保留時間", "平均保持时间", "Average hold time"), "Σ hold / handlings", TIME, EVENT, _TALK,
           lambda h, s: x.mean([part.hold for part in x.parts_in(h, s)])),
    Metric("hold_rate", ("保留比率", "保持比率", "Hold rate"), "handlings with hold / handlings", RATIO, EVENT, _TALK,
           lambda h, s: x.ratio(len(x.held(h, s)), len(x.parts_in(h, s)))),
    Metric("left_on_hold", ("保留中客戶離開", "保持中客户离开", "Customer left while on hold"),
           "handlings ended by the customer while on hold", COUNT, EVENT, _TALK,
           lambda h, s: sum(part.left_on_hold for part in x.parts_in(h, s))),
    Metric("consult_total", ("諮詢總時間", "咨询总时间", "Consultation time"),
           "Σ consult, of those who were only asked too", TIME, EVENT, _TALK, lambda h, s: sum(x.consults(h, s))),
    Metric("transfers_out", ("轉出數", "转出数", "Transferred out"), "handlings ended by a transfer", COUNT, EVENT,
           _TALK, x.given_as(*Given)),
    Metric("transfers_consult", ("諮詢後轉出數", "咨询后转出数", "Transferred out after asking"),
           "handlings ended by a warm transfer", COUNT, EVENT, _TALK, x.given_as(Given.CONSULT)),
    Metric("transfers_blind", ("盲轉數", "盲转数", "Transferred out blind"),
           "handlings ended by a blind transfer", COUNT, EVENT, _TALK, x.given_as(Given.BLIND)),
    Metric("transfers_queue", ("轉至佇列數", "转至队列数", "Transferred to a queue"),
           "handlings ended by a transfer to a queue or an entry point", COUNT, EVENT, _TALK,
           x.given_as(Given.QUEUE)),
    Metric("transfers_in", ("轉入數", "转入数", "Transferred in"),
           "handlings begun by a transfer to the seat, or from a queue it was transferred to", COUNT, EVENT, _MOVED,
           x.received),
    Metric("handled_fresh", ("處理數(不計轉入)", "处理数(不计转入)", "Handled, not transferred in"),
           "handlings begun − transferred in", COUNT, EVENT, _MOVED,
           lambda h, s: len(x.parts_in(h, s)) - x.received(h, s)),
    Metric("transfer_rate", ("轉接率", "转接率", "Transfer rate"), "transferred out / handlings", RATIO, EVENT, _TALK,
           lambda h, s: x.ratio(sum(part.given is not None for part in x.parts_in(h, s)), len(x.parts_in(h, s)))),
    Metric("short_calls", ("短通話數", "短通话数", "Answered short calls"), "answered and gone in < s", COUNT, EVENT,
           _TALK, x.short_calls),
    # seats over time
    Metric("time_here", ("登入時間", "登录时间", "Logged-in time"), "Σ logged in", TIME, SPAN, _STATE,
           x.state_time(*x.HERE)),
    Metric("time_ready", ("就緒總時間", "就绪总时间", "Agent waiting, total"), "Σ ready", TIME, SPAN, _STATE,
           x.state_time(SeatState.READY)),
    Metric("ready_longest", ("專員最長等待", "坐席最长等待", "Agent waiting, longest"),
           "longest stretch of ready inside the interval", TIME, SPAN, _STATE,
           lambda h, s: x.longest(x.idle_stretches(h, s))),
    Metric("ready_mean", ("專員平均等待", "坐席平均等待", "Agent waiting, average"), "Σ ready / stretches of ready",
           TIME, SPAN, _STATE, lambda h, s: x.mean(x.idle_stretches(h, s))),
    Metric("time_busy", ("忙線時間", "忙线时间", "Busy time"), "Σ busy", TIME, SPAN, _STATE,
           x.state_time(SeatState.BUSY)),
    Metric("time_wrap_up", ("話後工作時間", "话后工作时间", "Time in wrap-up"), "Σ wrap-up", TIME, SPAN, _STATE,
           x.state_time(SeatState.WRAP_UP)),
    Metric("time_assigned", ("分派中時間", "分派中时间", "Time being offered"), "Σ assigned", TIME, SPAN, _STATE,
           x.state_time(SeatState.ASSIGNED)),
    Metric("time_paused", ("未就緒時間", "未就绪时间", "Time not ready"), "Σ not ready; by reason: pause_times", TIME,
           SPAN, _STATE, lambda h, s: sum(x.pause_times(h, s).values())),
    Metric("occupancy", ("佔用率", "占用率", "Occupancy"), "(talk+hold+ACW)/(same+ready); ring in neither", RATIO,
           SPAN, _STATE, x.share_of(x.HANDLING, (*x.HANDLING, SeatState.READY))),
    Metric("occupancy_with_ring", ("佔用率(含響鈴)", "占用率(含响铃)", "Occupancy, ring included"),
           "(talk+hold+ACW+ring)/(same+ready)", RATIO, SPAN, _STATE,
           x.share_of((*x.HANDLING, SeatState.ASSIGNED), (*x.HANDLING, SeatState.ASSIGNED, SeatState.READY))),
    Metric("utilisation", ("使用率", "使用率", "Utilisation"), "(talk+hold+ACW)/logged-in", RATIO, SPAN, _STATE,
           x.share_of(x.HANDLING, x.HERE)),
    Metric("availability", ("可用率", "可用率", "Availability"), "(ready+ring+talk+hold+ACW)/logged-in", RATIO, SPAN,
           _STATE, x.share_of((SeatState.READY, SeatState.ASSIGNED, *x.HANDLING), x.HERE)),
    Metric("productive", ("生產時間比率", "生产时间比率", "Productive time"),
           "(ready+ring+talk+hold+ACW+productive pauses)/logged-in", RATIO, SPAN, (*_STATE, f.StatusChanged),
           x.productive),
    # seats now
    Metric("seats_here", ("登入專員數", "登录坐席数", "Agents logged in"), "seats not logged out", COUNT, INSTANT,
           _STATE, x.state_count(*x.HERE)),
    Metric("seats_ready", ("就緒專員數", "就绪坐席数", "Agents ready"), "seats ready", COUNT, INSTANT, _STATE,
           x.state_count(SeatState.READY)),
    Metric("seats_busy", ("忙線專員數", "忙线坐席数", "Agents busy"), "seats assigned, busy or in wrap-up", COUNT,
           INSTANT, _STATE, x.state_count(SeatState.ASSIGNED, *x.HANDLING)),
    Metric("seats_not_ready", ("未就緒專員數", "未就绪坐席数", "Agents not ready"),
           "seats logged in that are neither ready nor busy", COUNT, INSTANT, _STATE, x.state_count(*x.UNREADY)),
    # calls no queue gave
    Metric("outbound_dialled", ("外撥數", "外呼数", "Outbound dialled"), "customers called by seats", COUNT, EVENT,
           _OUT, apart.outbound_dialled),
    Metric("outbound_connected", ("外撥接通數", "外呼接通数", "Outbound connected"), "outbound calls answered", COUNT,
           EVENT, (*_OUT, f.DirectAnswered, f.CustomerAnswered), apart.outbound_connected),
    Metric("outbound_talk", ("外撥通話時間", "外呼通话时间", "Outbound talk time"), "Σ talk of outbound calls", TIME,
           EVENT, _TALK, apart.outbound_talk),
    Metric("line_overflow", ("線路溢流數", "线路溢流数", "Calls above the line cap"),
           "calls in and out refused above a line's cap; by line: overflows", COUNT, EVENT, (f.LineOverflowed,),
           lambda h, s: sum(apart.overflows(h, s).values())),
    # callbacks and messages
    Metric("callbacks_scheduled", ("預約回電數", "预约回电数", "Callbacks scheduled"), "callbacks asked for", COUNT,
           ARRIVAL, _CALLBACK, lambda h, s: len(apart.callbacks_in(h, s))),
    Metric("callbacks_dialled", ("回電撥出數", "回电拨出数", "Callbacks dialled"),
           "callbacks whose customer was called", COUNT,
           ARRIVAL, _CALLBACK, lambda h, s: sum(bool(one.dialled_at) for one in apart.callbacks_in(h, s))),
    Metric("callbacks_reached", ("回電響鈴數", "回电响铃数", "Callbacks reached"),
           "callbacks whose customer's phone rang or was answered", COUNT, ARRIVAL,
           (*_CALLBACK, f.Accepted, f.CustomerRang, f.CustomerAnswered),
           lambda h, s: sum(bool(one.rang_at or one.answered_at) for one in apart.callbacks_in(h, s))),
    Metric("callbacks_bridged", ("回電接通數", "回电接通数", "Callbacks bridged"),
           "callbacks whose customer talked with the seat", COUNT, ARRIVAL,
           (*_CALLBACK, f.Accepted, f.CustomerAnswered),
           lambda h, s: sum(bool(one.answered_at) for one in apart.callbacks_in(h, s))),
    Metric("voicemails", ("語音留言數", "语音留言数", "Voice messages"), "messages left", COUNT, EVENT,
           (*_ENTRY, f.VoicemailStarted, f.VoicemailLeft), apart.voicemails),
    Metric("watched", ("監聽時間", "监听时间", "Supervision time"), "Σ supervisors in conversations; in no talk time",
           TIME, SPAN, (f.WatchAnswered, f.WatchEnded, f.TookOver), apart.watching),
    # text
    Metric("first_response", ("首次回應時間", "首次响应时间", "First response time"),
           "first message of the seat − arrival; bot and system out", TIME, ARRIVAL, _TEXTS,
           lambda h, s: x.mean(texts.first_replies(h, s))),
    Metric("first_response_open",
           ("首次回應時間(營業時間)", "首次回应时间(营业时间)", "First response time, open hours"),
           "first message of the seat − arrival, without the time the queue was closed", TIME, ARRIVAL,
           (*_TEXTS, *_QUEUE, f.QueueOpened), lambda h, s: x.mean(texts.first_replies_open(h, s))),
    Metric("next_response", ("後續回應時間", "后续响应时间", "Next response time"),
           "seat's message − first unanswered customer message, after the first answer", TIME, ARRIVAL, _TEXTS,
           lambda h, s: x.mean(texts.next_replies(h, s))),
    Metric("resolution", ("解決時間", "解决时间", "Resolution time"), "end − arrival of answered contacts", TIME,
           ARRIVAL, (*_VISIT, f.CustomerAnswered), lambda h, s: x.mean(x.resolutions(h, s))),
    Metric("concurrency", ("同時服務數", "同时服务数", "Concurrency"), "Σ handling time / time with ≥ 1", RATIO,
           EVENT, _TALK, x.concurrency),
    Metric("valid_both_spoke", ("有效對話(雙方發言)", "有效对话(双方发言)", "Valid chats, both spoke"),
           "both sides sent something", COUNT, ARRIVAL, _TEXTS, texts.valid_both_spoke),
    Metric("valid_visitor_spoke", ("有效對話(訪客發言)", "有效对话(访客发言)", "Valid chats, visitor spoke"),
           "the visitor sent something", COUNT, ARRIVAL, _TEXTS, texts.valid_visitor_spoke),
    Metric("messages_sent", ("發送訊息數", "发送消息数", "Messages sent"), "messages of the seat in its handlings",
           COUNT, EVENT, (*_TALK, f.MessagePassed), lambda h, s: sum(part.messages for part in x.parts_in(h, s))),
    Metric("fcr_proxy", ("首次解決率(代理指標)", "首次解决率(代理指标)", "First contact resolution, by address"),
           "answered contacts whose address came neither X before nor X after / answered with an address", RATIO,
           ARRIVAL, (*_ENTRY, f.Accepted, f.CustomerAnswered), x.fcr_proxy),
    Metric("erlang_load", ("話務負載", "话务负载", "Load"), "a = λ·AHT", Unit.ERLANG, EVENT, (*_VISIT, *_PART),
           x.erlang_load),
)
# fmt: on


METRICS: dict[str, Metric] = {metric.id: metric for metric in _LIST}
"""Every figure by its id."""


def compute(metric: str, history: History, scope: Scope) -> Value:
    """One figure by its id. Raises KeyError for an id that is not defined."""
    return METRICS[metric].compute(history, scope)
