// Costs in 1/32 token, one, two or four to a character, fitted to true counts.
const plain = unpack("3O4=C8:E3;52C;B9N;>9O=&C3W556527856477591:76:75687-<682,6T565@E@?DC?(=A;X9D:AJ8+PZ", 81, 2, -32);
const afterMark = unpack("TSqCa78R6n4'F5?A", 9, 5, -16);
const marks = unpack(
  "#%7GE$.B,?P7d+6#aCZB]sW=X7+d=+@~&;m$54C.?Bj>fFkrTasnUgU^sU+qo>Xp.$0+#G'-#JG?sKrG>jr/lL7@KRm@nRWr+'Fn##>,##%##,#$65>8%H#,6,-8;?9)",
  9,
  6,
  1,
); // by the kind before
const letterPairs = unpack(
  "AAAAAAAAAAAAAAAAe-m4aa?nm6Qg3F+>~sFsOqlOsK<s4s]>Ja3lAFs=m6>sX+k?~KFjja0Bl<F_~skE/UleOsBQ)-oHc=+?Aj4q4sqOsnHss+kFe=4j_sorsTnss=+?~sFsOsL9sbos=+P>~0,9ssB-oBllsn:>nsassss4s+jssOk@~s,sOssssafsss,?As,)Fq]Oq4Jl+FkFJq3sasLspOasjX->n4A2dNp]oFQsO=YBAclTXO4@l5.'`#(>JF$XGakFrpKs=skAnssssslsssOsssk>Jj-)O4JHq(^@+Xk>eX4sMs]NBVZK+pk@Jj4n-s0OoJMF+ElDJ/A1Xj0on-ksf4#>es+aFssOsssssOk?8sHsMssYs(sXs++FnOXsss=sososo+k>nrsssseVpsp4s4*?Js4sssqqssOXsEkE/,rHl=?P)okl+ks>n+%$O+%l#75k+PoB&&X3kk4kOT4+`ksCn*=r+s,#on#Z,ss?AAAAAAAAAAAAAAAA",
  9,
  6,
  -16,
);
const letterRuns = unpack(
  "s(-H2rPs_O9r?'jLAamR_sqk&Hak+4+62hJ~hR>daX;3nFmmaVes+/X'ejZchd1<=^I;4smUqN[(ER<F)jRpUaacF*`VpR@sX]b*[CqIb:MR:=[gPalda:ec8+@4<FjU'7I3mUp*9E9aX]rX#3RaPg#;=IE79maY*2OejX^+RXV51l+aZrjs+`ZjFLr7cC1+2@a_MsYh'Y=k)P4i%X`Cd=+msm;_ih]dpCj=<qIFj];.~b);o5YPl8=3^$4Q=0pbPJd#DiXq-qrrPn=+YZhhX:c^/2s8hqq.d(<apk^qm=kPEp7Y%p_V=Eml^fn+Yh[`_m@NS.)jXYD<#j4lmT7+ed9gkdomsdep1Mn;a+Xnn8IOVEdM<F#`T#s_hXrkdaO)4mg%W6[=mQ5:r2q(O`'f'Fgqeh=X:&WIH`ramqo]drif$pmjb8^^&qK<sdW.W+ssPLe`DpA~2sk:*7X(V)4Mj=nhp7m=r*nksq0q)W<if0=ks>oF8Y;7qbiJn;hj8,qX3pk-iBMl;a+'6.N1,8plbmATs<ip`4~=aI^(p[1jOY<n?;p*qdhZ8'Z`Xps5LX~7aXXd)s0sq3:FV:=_i%#csoW(d),A1PVp%=<Xmfpm__RKlc5V^FPs;ama`)m`RaWdsI,6K:YrsdfsrT6ga=m+dSQ6pX7(+.Xs5LnZ>Lpk:Fm:6):dQPFTSN;)V:qC=Trnlar`2sYOqW#S<e+p;E/qm5n8T7mSIri[g:Xrr:B/rqqlMXCI^[_Z_(js8_a[a~W'rh4Oa2qX<+DjIm7e'6bEkDggqRBX2[rcdFMsd*H;rY0NHi:,<slUa6*:WU743>8.=`O)%;rVaS6pLm=F,mjkY#5j;5Gj<R#pD)U`)&s4#pp8[QaZ<BM;Zh=FpkGmV`Pkah+Pja$]MNX=@Y_d;R7I7_7<~fM0m)WdO;dkh#Ush`$nq4=:~5Z(;Xlnibd[Lo_j[=sjkjj5QQpZQq4d+l_,d*Uae+1gQ[+<_C+ihq,_7>,8$pfR&m`mr^<CgaqOC4DZ",
  3,
  18,
  -18,
); // four letters, hashed
const blocks = unpack(
  ">>B>>>>>>CKIHO7:48>DM.C569;:MqJN]Xbb/C/;3C/A<G5:0C0D3:=85@JLJEJY3Ws/[[]`JSIPLLZsd^ZY~]Zd_~iZnq5<~^[kZk~s]~_b^f~gaf`]LqZc>>>>II~K9JKWGkDIIIKJBfsI_EEL/s:N9P2n?LWbosskinWgqhfpb/omdX]eZYWdiqhsalao/..3VE]TN]__Js9m>>>>>>~edE/65779?49YVN>;7EB>Pd]H.GICBB741Bss#$##%##$#E4O##$S:<<]>NA@#&N4WX9E?>AA################",
  81,
  2,
  -16,
); // 64 code points each; from U+3400, 2048
const characters = unpack(
  "s;Yr#]4mis%mrqph_h^@[_aqr@kmsR#p;s;+_H%@p%E_s#=jq_p*FDra_Yaj[`Ma=ms%W=qks+8s9sX+m+o*ssRnR_%si3Qbqdj=q*+(hs)=FL%I=5rR=VVsssYsPqqskqaY=XUX`s~7ks>mapr;@W)k5[Xmqjg6Yknbaq1_=2rs=R@s4=Ydmh7C8;m7m;[`Uq5jm^_[mgPa_Xs;[kb3rk77[k=mSqqm5;k'+(jbM95r[jp)m=q+=dsXan6:Ojsd",
  3,
  32,
  -24,
); // from U+3000, hashed
const pairs = unpack(
  "kXYXW7r%Yp[n[VgP+9sqdm;a/sJ[=9Z6`)sp4#>SS;^%_5ad4[Iee5[Rq[MDr8XDFWWDk_^;q[_^^=k=4+XkPO_s`FqJZY)^is3%Z`+%7.as*_s)pa7=Ns@S=@>rk=sp&%pq&7sOk2mm;psm7`2Mjk2sq_R[U4Md@<7Y%.ZZmj[`X7O;=qVk)UqsjF7ns=lr[6;LqMm+R%XmrO_mm]aCd_^=aE[Eq;75k=5X;s?k)~nOZ+aR9;=a5p07~)pkX`7Y+T[p%_+`69bAa_Xm8=)_kM:Ydh=#a6m~g#=rsVkN[dR~>4_Uq+ngsV8mj=a?M=D`OOpk%3[smA6d7;Y5nMoqa_&sjPZ,aj[q__;=ssj=ssFl+srsqYq$*_m4RVE.F%mrVCFTajp=O:lcjV^#^__#<<m~:=qq[%aj7D`p,oa-r[@R&s^`_FZq:q7)aDMRd-`^r[)oJ=`g*q:/T+(e#<=3Q)==4q_8smpa(e=228kamqg77kNR;n=4[R-mXpm'sJ7k[_s)[Y*X+j4)rsqn/qbqQ;jT^#kI,a>Z=%p4m6<(m_C;a>S,=ska*E&sqm_<?kVjr.&_n[ahqn@kaXsM<mn[+9aDj7Ss)qsP`sqn+cYk7pX`qnnF4rCas=p7aqF_qh^sqVU4_[~=DF;5=]q=%:(YpXpqm+`=n2jgbRg4;p;=@E`;`<d+s;.=Xs))7[#h*,[a4-lss2OU:$m+a[Fank)jpYmha+Rpc_4Yg^ak]D5=5~:rs$T_)bp=s%mM^+#<l%Y,assM6+a=PD7<sa^4kZsD[^o+3?[==7=m=pab~q-7%X4+sp)=m+A~`+<k45rq#[qhX[_a#PXsXkmksk7a7`dIsm*70sfkms5*ska=#5s=Mr=<7(%mdsdL4$sqk7=15%=UqXYq#[W<nqas94CQA7/m_3hpq8mX&[j5UqD=scaX4s+o;Va_#]=9am~oTY;rI[Xkrqq_a;=)h_82`5*nmlhh+kRdg^F8<q=i7+4Xn[k~apm<nRsV`U;5F;EPPsF/aOa5",
  3,
  24,
  -18,
); // not Latin, hashed

function unpack(text: string, levels: number, step: number, low: number): Int16Array {
  const per = levels === 81 ? 1 : levels === 9 ? 2 : 4;
  return Int16Array.from({ length: text.length * per }, (_, i) => {
    const code = text.charCodeAt(i / per) - 35;
    const value = code === 91 ? 57 : code; // "~" for the backslash: an escape is longer
    return (Math.floor(value / levels ** (i % per)) % levels) * step + low;
  });
}

// Kinds of code units. The unknown one before the text counts as OTHER.
const SPACE = 0;
const LINE = 1;
const MARK = 2;
const DIGIT = 3;
const OTHER = 4;
const LETTER = 5;
const APOSTROPHE = 6;

// More than any context can save the text after it, so that cutting never lowers the sum.
const START = 40;

// ASCII: 1 to 26 for a letter, 32 more for a capital; from 64 for punctuation.
const ascii = new Uint8Array(128);
for (let code = 33, mark = 64; code < 127; code++) {
  const low = code | 32;
  if (low > 96 && low < 123) ascii[code] = low - (code < 97 ? 64 : 96);
  else if (code < 48 || code > 57) ascii[code] = mark++;
}

const hash = (value: number, bits: number): number => Math.imul(value, 2654435761) >>> (32 - bits);

/**
 * Estimates the tokens of a text: a whole number, 0 for "". The unit is a token of `o200k_base`.
 *
 * It is made to bound the true count of 200 characters or more: at most 5 % under it and, for
 * natural text, at most 15 % over it on average. `scripts/measure-tokens.ts` measures how far that
 * holds. Claude's tokenizer counts up to 1.35 times as many: the caller's factor.
 *
 * Pieces may be counted apart: estimate(a + b) <= estimate(a) + estimate(b), wherever the cut is,
 * and estimate(a) <= estimate(a + b).
 */
export function estimateTokens(text: string): number {
  const end = text.length;
  let sum = end === 0 ? 0 : START;
  let kind = OTHER;
  let last = 0;
  let word = 0; // its last four letters, five bits each
  let capital = 0;
  let count = 0; // of spaces or digits in a row
  for (let i = 0; i < end; i++) {
    const code = text.charCodeAt(i);
    let found = 0;
    if (code < 128) found = ascii[code]!;
    else if ((code > 0xbf && code < 0x250) || code >> 8 === 0x1e) found = 27 + (code & 3);
    let next = OTHER;
    let cost = kind === APOSTROPHE ? plain[26]! : 0;
    let least = 0;
    if (found > 0 && found < 64) {
      const letter = found & 31;
      const upper = found >> 5;
      if (kind === LETTER && upper <= capital) {
        word = ((word << 5) | letter) & 0xfffff;
        cost = letterPairs[word & 1023]! + letterRuns[hash(word, 12)]! + upper * plain[75]!;
        if (cost > 24) cost = 24;
      } else {
        word = letter;
        cost = plain[27 + letter]! + plain[59 + 2 * kind + upper]!;
        if (kind === MARK) cost += afterMark[ascii[last]! - 64]!;
        least = kind === APOSTROPHE ? 2 : 5;
      }
      if (cost < least) cost = least;
      if (code > 127) cost += plain[code > 0x17f ? 77 : 76]!;
      capital = upper;
      next = LETTER;
    } else if (code === 32) {
      count = kind === SPACE ? count + 1 : 0;
      cost += plain[count > 1 ? 8 : 1 + kind]!;
      next = SPACE;
    } else if (code > 47 && code < 58) {
      count = kind === DIGIT ? count + 1 : 0;
      cost += plain[count % 3 === 0 ? 23 : 24]!;
      next = DIGIT;
    } else if (code === 10 || code === 13 || code === 9) {
      cost += plain[kind + (code === 9 ? 16 : 9)]!;
      next = LINE;
    } else if (found > 0) {
      cost += marks[32 * (code === last ? 7 : kind) + found - 64]!;
      next = code === 39 && kind === LETTER ? APOSTROPHE : MARK;
    } else if (code < 128) {
      cost += plain[25]!;
    } else if (code >> 11 === 27) {
      // Surrogates: what the pair costs above a fixed cost of the high one is the low one's.
      if (code < 0xdc00) cost += plain[80]!;
      else if (last >> 2 !== 0x360f) cost += plain[81]!;
      else cost += blocks[240 + ((last & 3) << 4) + ((code >> 6) & 15)]!;
    } else {
      cost += blocks[code < 0x3400 ? code >> 6 : 208 + (code >> 11)]!;
      if (code > 0x2fff) cost += characters[hash(code, 10)]!;
      if (last < 0x370) cost += plain[kind === SPACE ? 79 : 78]!;
      else cost += pairs[hash(last * 31 + code, 12)]!;
      least = code < 0xf00 ? 3 : 8;
    }
    sum += cost < least ? least : cost;
    kind = next;
    last = code;
  }
  return Math.ceil(sum / 32);
}
