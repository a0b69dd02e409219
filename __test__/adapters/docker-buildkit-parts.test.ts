import { describe, expect, it } from 'vitest'
import { Printer } from '../../lib/adapters/docker/buildkit/printer'
import { Message, encode } from '../../lib/adapters/docker/buildkit/protobuf'
import { type Trace, decodeTrace } from '../../lib/adapters/docker/buildkit/trace'

describe('messages', () => {
  it('are read as they were written', () => {
    const long = 'x'.repeat(300)
    const message = new Message(encode({ 1: 'one', 2: Buffer.from([0, 255]), 3: '', 20: long }))
    expect([message.text(1), message.bytes(2), message.text(3), message.bytes(3), message.text(20)]).toEqual(['one', Buffer.from([0, 255]), '', undefined, long])
  })

  it('numbers of any length, the last one of a field, fields that nobody asks for', () => {
    const message = new Message(Buffer.from('0801089601', 'hex'))
    expect(message.number(1)).toBe(150)
    expect(new Message(Buffer.from('08ffffffffffffffffff01', 'hex')).number(1)).toBe(-1)
    expect(new Message(Buffer.from('0d010000001101000000000000000801', 'hex')).number(1)).toBe(1)
    expect(message.message(7)).toBeUndefined()
  })

  it.each(['08', '0a', '0a05aa', '0affffffffffffffffff7f', '0b', '08ffffffffffffffffffffff01', '0d0100'])('%s is none', (hex) => {
    expect(() => new Message(Buffer.from(hex, 'hex'))).toThrow(RangeError)
  })
})

describe('the progress of a build', () => {
  it('a daemon\'s own message', () => {
    const started = Buffer.from('CnwKR3NoYTI1NjpiZjk2NWY2NGIyYmEwZjVlMjc3MmY2ZThkZTdjMmEyNzdmMjVmNGRhMDc2Y2YyN2I0MDYwNmI5NjQzYzQ2ZDI4GiRbaW50ZXJuYWxdIGxvYWQgcmVtb3RlIGJ1aWxkIGNvbnRleHQqCwjt1p3YBhDn4KsF', 'base64')
    expect(decodeTrace(started)).toEqual({
      steps: [{
        digest: 'sha256:bf965f64b2ba0f5e2772f6e8de7c2a277f25f4da076cf27b40606b9643c46d28', name: '[internal] load remote build context',
        cached: false, started: expect.closeTo(1_795_648_365.011, 2) as number, completed: undefined, error: '',
      }],
      shares: [], printed: [], warnings: [],
    })
  })

  it('lines are whole, however they come, and each has its step', () => {
    const seen: string[] = []
    const printer = new Printer({ print: (text) => { seen.push(text) }, progress: ({ id, status, current, total }) => { seen.push(['>', id, status, current, total].filter((part) => part !== undefined).join(' ')) } })
    const step = { digest: 'a', name: 'RUN it', cached: false, started: undefined, completed: undefined, error: '' }
    const nothing: Trace = { steps: [], shares: [], printed: [], warnings: [] }
    const said = (text: string, stderr = false): Trace => ({ ...nothing, printed: [{ step: 'a', stderr, data: Buffer.from(text, 'latin1') }] })
    printer.tell({ ...nothing, steps: [step, { ...step, digest: 'b', name: 'COPY', cached: true }] })
    printer.tell({ ...nothing, steps: [{ ...step, started: 10 }] })
    for (const text of ['one', '\ntwo \xc3', '\xa4\nthr']) printer.tell(said(text))
    printer.tell(said('aside\n', true))
    printer.tell({ ...nothing, shares: [{ id: 'layer', step: 'a', current: 5, total: 10, completed: false }], warnings: [{ step: 'a', text: 'careful' }] })
    printer.tell({ ...said('ee'), steps: [{ ...step, started: 10, completed: 12.34 }] })
    printer.tell({ ...nothing, steps: [{ ...step, started: 10, completed: 12.34 }] })
    expect(seen).toEqual([
      '#1 COPY\n', '> #1 COPY', '#1 CACHED\n', '> #1 CACHED', '#2 RUN it\n', '> #2 RUN it', '#2 one\n', '#2 two ä\n', '#2 aside\n',
      '> layer RUN it 5 10', '#2 WARN: careful\n', '#2 three\n', '#2 DONE 2.3s\n', '> #2 DONE 2.3s',
    ])
  })
})
